"""The formats of a run: a new one is a file with `render(outcomes)`, and its row in the table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
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
        also: of files that it may be written to, where it is named.
        takes: by name, what its `render` takes beside the outcomes.
        draws: whether it has pictures.
    """

    file: str
    suffixes: tuple[str, ...] = ()
    also: tuple[str, ...] = ()
    takes: tuple[str, ...] = ()
    draws: bool = False

    def fits(self, path: Path) -> bool:
        """Whether a file of this name may be of this format."""
        return path.suffix.lower() in (*self.suffixes, *self.also)

    def render(self, outcomes: Sequence[Outcome], **options: str | None) -> str:
        """The whole text; of the options, a format takes those that it knows."""
        taken = {name: options[name] for name in self.takes if options.get(name) is not None}
        text: str = import_module(f"{__package__}.{self.file}").render(outcomes, **taken)
        return text


RENDERERS: Mapping[str, Renderer] = MappingProxyType(
    {
        TEXT: Renderer("text", (".txt", ".log")),
        "json": Renderer("json", (".json",)),
        "junit": Renderer("junit", (".xml",)),
        "github": Renderer("github"),
        "sarif": Renderer("sarif", (".sarif",), also=(".json",)),
        "gradescope": Renderer("gradescope", also=(".json",), takes=("hints",)),
        "html": Renderer("html", (".html", ".htm"), draws=True),
    }
)
"""All formats by name."""
