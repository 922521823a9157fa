"""The pictures of a report as matplotlib figures."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from gradcheck.report.model import Report


def figures(report: Report) -> dict[str, Figure]:
    """Figures by name."""
    raise NotImplementedError
