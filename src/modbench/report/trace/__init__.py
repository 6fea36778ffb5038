"""A trace's page: what `modbench.trace` has measured of a mixture of experts, as one self-contained HTML file."""

from modbench.report.trace.comparison import Compared
from modbench.report.trace.page import write_trace_page

__all__ = ["Compared", "write_trace_page"]
