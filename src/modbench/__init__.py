"""modbench: do modular neural networks collapse, specialise, and profit from it?"""

__version__ = "0.1.0"
