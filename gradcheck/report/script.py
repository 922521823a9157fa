"""What was taken of a script that holds no case, in words and as JSON."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class TakenApart:
    """What one iteration of a script's training loop was found to be.

    Attributes:
        seconds: how long it took to find out.
        step: the line of the loop.
        step_words: what the step is.
        loss: what the loss is, in words.
        loss_line: where it stands.
        loss_words: the same, as it is said.
        learning_rate: the rate; None where the gradients themselves were taken.
        rate_words: the same, as it is said.
        rate_given: whether the script has one; where not, it is 1.
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

    def lines(self) -> tuple[str, ...]:
        """A line for each thing that was taken."""
        rows = [
            ("step", self.step_words),
            ("params", _some(self.params)),
            *(("" if number else "loss", words) for number, words in enumerate(self.loss_words)),
            ("rate", self.rate_words),
            *(("note", note) for note in self.notes),
        ]
        return tuple(f"{name:<7} {words}" for name, words in rows)

    def text(self) -> str:
        """The lines before the report."""
        return "\n".join(
            [
                f"{self.file} holds no case; it was taken apart (in {self.seconds:.1f} s, nothing "
                "in it was changed):",
                *(f"  {line}" for line in self.lines()),
                "  not so? --loss NAME|LINE --params A,B --lr X; or write it down: gradcheck init "
                f"{self.file}",
                "",
            ]
        )

    def to_dict(self) -> dict[str, Any]:
        """In plain types."""
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
