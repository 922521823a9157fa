"""The description of a script that was taken apart, in words and as JSON."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from typing import Any

from gradcheck.user.notebooks import SUFFIX


@dataclass(frozen=True)
class TakenApart:
    """One iteration of a script's training loop: step, parameters, loss and learning rate.

    Attributes:
        seconds: the time that was needed to find them.
        step: the line of the loop.
        step_words: a description of the step.
        loss: the name of the loss.
        loss_line: the line of the loss.
        loss_words: a description of the loss, and of its alternatives.
        learning_rate: the rate; None where the script's own gradients are checked.
        rate_words: a description of the rate.
        rate_given: whether the script has a rate; if not, it is 1.
        notes: further sentences.
        is_inferred: whether no line computes the loss.
    """

    file: str
    seconds: float
    step: int
    step_words: str
    params: tuple[str, ...]
    loss: str
    loss_line: int
    loss_words: tuple[str, ...]
    learning_rate: float | None
    rate_words: str
    rate_given: bool = True
    notes: tuple[str, ...] = ()
    is_inferred: bool = False

    def lines(self) -> tuple[str, ...]:
        """Return the descriptions, one line each."""
        rows = [
            ("step", self.step_words),
            ("params", _some(self.params)),
            *(("" if number else "loss", words) for number, words in enumerate(self.loss_words)),
            ("rate", self.rate_words),
            *(("note", note) for note in self.notes),
        ]
        return tuple(f"{name:<7} {words}" for name, words in rows)

    def text(self) -> str:
        """Return the text to print before the report."""
        of_cells = "; lines are counted through its code cells" * self.file.endswith(SUFFIX)
        return "\n".join(
            [
                f"{self.file} holds no case; it was taken apart (in {self.seconds:.1f} s, nothing "
                f"in it was changed{of_cells}):",
                *(f"  {line}" for line in self.lines()),
                "  not so? --loss NAME|LINE --params A,B --lr X; or write it down: gradcheck init "
                f"{shlex.quote(self.file)}",
                "",
            ]
        )

    def to_dict(self) -> dict[str, Any]:
        """Return the numbers and names in plain types."""
        return {
            "step": self.step,
            "params": list(self.params),
            "loss": self.loss,
            "loss_line": self.loss_line,
            "learning_rate": self.learning_rate,
        }


def _some(names: tuple[str, ...], most: int = 12) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
