"""One self-contained page about one or more runs: no network, no frameworks, readable in print."""

from elsac.report.html.page import report_page

__all__ = ["report_page"]
