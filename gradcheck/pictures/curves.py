"""Training losses as a table and as a plot."""

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
    """Return how the variants are trained, their losses, one column each, and their verdicts."""
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
    """Check before the training that its plot can be saved afterwards.

    Raises:
        UsageError: matplotlib is missing, or the format or the folder does not exist.
    """
    formats = empty_figure("", (1.0, 1.0))[0].canvas.get_supported_filetypes()
    if _format(path) not in formats:
        listed = ", ".join(f".{kind}" for kind in sorted(formats))
        raise UsageError(f"a plot cannot be saved as {path.name!r}; use one of {listed}")
    if not path.parent.is_dir():
        raise UsageError(f"{path} could not be written: there is no folder {path.parent}")


def plot(curves: Sequence[Curve], path: Path) -> None:
    """Save the curves in the format of the file's suffix; nothing is written on an error."""
    require_plots(path)
    image = io.BytesIO()
    try:
        figure(curves).savefig(image, format=_format(path))
    except (OSError, RuntimeError) as error:  # some formats need external programs
        raise UsageError(f"{path.name} cannot be drawn: {error}") from None
    write_atomically(path, image.getvalue())


def figure(curves: Sequence[Curve]) -> Figure:
    """Plot the losses over the epochs, on a logarithmic axis if all are positive."""
    fig, axes = empty_figure("", (7.0, 4.5))
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
    return fig


def _format(path: Path) -> str:
    return path.suffix.removeprefix(".").lower()


def _epochs(curves: Sequence[Curve]) -> list[int]:
    """Choose about a dozen epochs, denser at the start, and the highest and last of each curve."""
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
    """Return a legend label that matplotlib neither hides nor reads as a formula."""
    label = printable(f"{curve.variant}: {curve.ended}")
    if len(label) > LONGEST_LABEL:
        label = f"{label[: LONGEST_LABEL - 3]}..."
    return (f" {label}" if label.startswith("_") else label).replace("$", r"\$")
