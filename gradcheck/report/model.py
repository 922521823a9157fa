"""The report of one check: numbers and findings; the renderers make text of it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from gradcheck.compare.block import Block
from gradcheck.errors import GradientMismatch
from gradcheck.finding import BackwardStep, Finding
from gradcheck.mending.model import Repair
from gradcheck.pictures.model import Pictures
from gradcheck.sampling import Coverage
from gradcheck.words import Verdict, shortened

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from gradcheck.pictures.take import Sketch


@dataclass(frozen=True, repr=False)
class Report:
    """What one check found; true where the verdict is "pass".

    Example:
        >>> import numpy as np, gradcheck
        >>> report = gradcheck.check(lambda w: np.sum(w**3), np.ones(4), lambda w: 2 * w**2)
        >>> bool(report), report.verdict, report.blocks[0].wrong_entries
        (False, 'fail', 4)

    Attributes:
        verdict: "pass", "fail" or "inconclusive".
        blocks: one per parameter array, in the user's order.
        findings: the causes, in the order in which to mend them.
        network: the network in words, or None where it is not known.
        coverage: how many entries were perturbed.
        evaluations: how often the loss was evaluated.
        seconds: how long the check took.
        could_not_check: why nothing, or not everything, could be compared, or None.
        layers: which layers are right and wrong, and where the fault must be; lines of text.
        notes: what else the user should know, a sentence each.
        details: what `-v` shows as well, a sentence each.
        backward: what the gradient did, expression by expression, where one is wrong.
        sketch: what the pictures are made from.
        reproduce: a call, or command, that makes this check again.
        repair: the result of the search for a repair, if there was one.
        unsearched: why the source is not searched for an edit; empty where it can be.
        not_zero: the inputs of a layer whose gradient is not zero under an upstream gradient of
            zero.
        printed: what the user's code printed, as far as it is kept; `-v` shows it.
        up_to: what a pass leaves open, or "".
    """

    verdict: Verdict
    blocks: tuple[Block, ...]
    findings: tuple[Finding, ...]
    network: str | None
    coverage: Coverage
    evaluations: int
    seconds: float
    could_not_check: str | None = None
    layers: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    details: tuple[str, ...] = ()
    backward: tuple[BackwardStep, ...] = ()
    sketch: Sketch | Pictures = field(default_factory=Pictures, repr=False, compare=False)
    reproduce: str = ""
    repair: Repair | None = None
    unsearched: str = ""
    not_zero: tuple[str, ...] = ()
    printed: str = ""
    up_to: str = ""

    @property
    def ok(self) -> bool:
        """Whether the verdict is "pass"."""
        return self.verdict == "pass"

    @property
    def errors(self) -> tuple[Finding, ...]:
        """The findings that make a gradient wrong."""
        return tuple(finding for finding in self.findings if finding.severity == "error")

    @cached_property
    def pictures(self) -> Pictures:
        """The numbers behind the plots, made when they are first asked for."""
        return self.sketch if isinstance(self.sketch, Pictures) else self.sketch.pictures()

    def to_send(self, drawn: bool) -> Report:
        """Return a copy without arrays for another process, with pictures only if `drawn`."""
        blocks = tuple(block.without_arrays() for block in self.blocks)
        return replace(self, blocks=blocks, sketch=self.pictures if drawn else Pictures())

    def __getstate__(self) -> dict[str, Any]:
        """For another process: a network of functions cannot be sent, its pictures can."""
        return {**self.__dict__, "sketch": self.pictures}

    def __bool__(self) -> bool:
        return self.ok

    def __repr__(self) -> str:
        from gradcheck.report.closing import summary_line

        return f"<Report {shortened(summary_line(self), 160)}>"

    def _repr_html_(self) -> str:
        """The report in a notebook."""
        from gradcheck.report.notebook import fragment

        return fragment(self)

    def __str__(self) -> str:
        from gradcheck.report.text import report_text

        return report_text(self)

    def to_dict(self) -> dict[str, Any]:
        """The report as plain dicts, lists, numbers and text; what is not finite is text."""
        from gradcheck.report.json import report_dict

        return report_dict(self)

    def to_json(self) -> str:
        """The report as a JSON document with one case."""
        from gradcheck.report.json import document

        return document([self.to_dict()])

    def to_html(self) -> str:
        """The report as one self-contained HTML page.

        Raises:
            UsageError: jinja2 is not installed (`pip install jinja2`).
        """
        from gradcheck.report.html import page

        return page([(None, self)])

    def plot(self) -> dict[str, Figure]:
        """The pictures of the HTML page as matplotlib figures, by name.

        Raises:
            UsageError: matplotlib is not installed (`pip install matplotlib`).
        """
        from gradcheck.pictures.plots import figures

        return figures(self.pictures, self.blocks)

    def raise_if_failed(self) -> None:
        """Raises unless the verdict is "pass".

        Raises:
            GradientMismatch: with the whole report as its message.
        """
        __tracebackhide__ = True  # for pytest
        if not self.ok:
            from gradcheck.report.closing import cause_line

            raise GradientMismatch(self, cause_line(self))
