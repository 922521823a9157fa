"""The losses of training as a table and as a plot."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from tabulate import tabulate

from gradcheck.errors import UsageError
from gradcheck.files import write_atomically
from gradcheck.pictures.drawing import LARGEST_NUMBER
from gradcheck.pictures.plots import empty_figure
from gradcheck.words import printable, printable_lines

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from gradcheck.train import Curve

ROWS = 12
LONGEST_LABEL = 70


def table(curves: Sequence[Curve]) -> str:
    """How the variants are trained, their losses in a column each, and how each ended."""
    sections = list(dict.fromkeys(curve.how for curve in curves if curve.how))
    if any(curve.losses for curve in curves):
        rows = [
            (str(epoch), *(_number(curve.losses, epoch) for curve in curves))
            for epoch in _epochs(curves)
        ]
        headers = ("epoch", *(curve.variant for curve in curves))
        align = ("right",) * len(headers)
        sections.append(
            tabulate(rows, headers, tablefmt="plain", disable_numparse=True, colalign=align)
        )
    sections.append("\n".join(f"{curve.variant}: {curve.ended}" for curve in curves))
    return printable_lines("\n\n".join(sections))


def require_plots(path: Path) -> None:
    """Says before the training whether its plot could be saved afterwards.

    Raises:
        UsageError: there is no matplotlib, no such format, or no such folder.
    """
    known = empty_figure("", (1.0, 1.0))[0].canvas.get_supported_filetypes()
    if _format(path) not in known:
        listed = ", ".join(f".{kind}" for kind in sorted(known))
        raise UsageError(f"a plot cannot be saved as {path.name!r}; use one of {listed}")
    if not path.parent.is_dir():
        raise UsageError(f"{path} could not be written: there is no folder {path.parent}")


def plot(curves: Sequence[Curve], path: Path) -> None:
    """Saves the curves in the format of the file's suffix, whole or not at all."""
    require_plots(path)
    drawn = io.BytesIO()
    try:
        figure(curves).savefig(drawn, format=_format(path))
    except (OSError, RuntimeError) as error:  # some formats need programs of their own
        raise UsageError(f"{path.name} cannot be drawn: {error}") from None
    write_atomically(path, drawn.getvalue())


def figure(curves: Sequence[Curve]) -> Figure:
    """The curves over the epochs; the losses on a log axis where all are positive."""
    drawn, axes = empty_figure("", (7.0, 4.5))
    for curve in curves:
        marker = "o" if len(curve.losses) == 1 else ""
        losses = np.clip(curve.losses, -LARGEST_NUMBER, LARGEST_NUMBER)
        axes.plot(range(len(losses)), losses, marker=marker, label=_label(curve))
    finite = [loss for curve in curves for loss in curve.losses if math.isfinite(loss)]
    if finite and min(finite) > 1 / LARGEST_NUMBER:
        axes.set_yscale("log")
    axes.set_xlabel("epoch")
    axes.set_ylabel("loss")
    axes.legend()
    return drawn


def _format(path: Path) -> str:
    return path.suffix.removeprefix(".").lower()


def _epochs(curves: Sequence[Curve]) -> list[int]:
    """About a dozen epochs, the early ones closer together, and every curve's highest and last."""
    last = max(len(curve.losses) for curve in curves) - 1
    spread = np.append(0, np.geomspace(1, last, ROWS - 1)) if last > ROWS else np.arange(last + 1)
    shown = {int(epoch) for epoch in np.round(spread)}
    for curve in curves:
        finite = [epoch for epoch, loss in enumerate(curve.losses) if math.isfinite(loss)]
        shown |= {max(finite, key=lambda epoch: curve.losses[epoch])} if finite else set()
        shown |= {len(curve.losses) - 1} if curve.losses else set()
    return sorted(shown)


def _number(losses: Sequence[float], epoch: int) -> str:
    return f"{losses[epoch]:.4g}" if epoch < len(losses) else ""


def _label(curve: Curve) -> str:
    """The variant and its end, for a legend: no formula, and nothing that matplotlib leaves out."""
    label = printable(f"{curve.variant}: {curve.ended}")
    if len(label) > LONGEST_LABEL:
        label = f"{label[: LONGEST_LABEL - 3]}..."
    return (f" {label}" if label.startswith("_") else label).replace("$", r"\$")
