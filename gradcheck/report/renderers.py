"""The formats of a run: a new one is a file with `render(outcomes)`, and its row in the table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gradcheck.report.outcome import Outcome

TEXT = "text"
"""What is printed where no format is named."""


@dataclass(frozen=True)
class Renderer:
    """A format.

    Attributes:
        file: of this folder, whose `render(outcomes)` returns the whole text; loaded when used.
        suffixes: of files that are taken to be of this format.
    """

    file: str
    suffixes: tuple[str, ...] = ()

    def render(self, outcomes: Sequence[Outcome]) -> str:
        """The whole text.

        Raises:
            UsageError: what the format needs is not installed.
        """
        text: str = import_module(f"{__package__}.{self.file}").render(outcomes)
        return text


RENDERERS: Mapping[str, Renderer] = MappingProxyType(
    {
        TEXT: Renderer("text", (".txt", ".log")),
        "json": Renderer("json", (".json",)),
        "junit": Renderer("junit", (".xml",)),
        "github": Renderer("github"),
        "sarif": Renderer("sarif", (".sarif",)),
        "html": Renderer("html", (".html", ".htm")),
    }
)
"""All formats by name."""
