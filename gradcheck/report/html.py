"""The report as one self-contained HTML page."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gradcheck.report.model import Report


def render(reports: Sequence[tuple[str | None, Report]]) -> str:
    """One page for all reports, each with the name of its case."""
    raise NotImplementedError
