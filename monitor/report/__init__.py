"""The report of a run: what its phases cost, on a page that shows it."""

from monitor.cost.run_files import RunFiles, read_run
from monitor.report.make import make_report, report_command

__all__ = ["RunFiles", "make_report", "read_run", "report_command"]
