"""`python -m modbench` is `modbench`."""

from modbench.cli.app import main

if __name__ == "__main__":
    main()
