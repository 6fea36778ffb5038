"""Pictures and tables -> one self-contained page.

Example::

    from modbench.report import write_report
    from modbench.store.table import load

    write_report(load("results/quick"), "report.html")
"""

from modbench.report.page import write_report

__all__ = ["write_report"]
