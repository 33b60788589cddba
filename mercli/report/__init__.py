"""One page to look at: what a table of results says, clip by clip, and how good the models are."""

from mercli.report.page import is_report, refuse_overwriting, write_page

__all__ = ["is_report", "refuse_overwriting", "write_page"]
