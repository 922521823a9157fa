"""Writes a page for every rule, and the catalogue: `python docs/build_rules.py`."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from textwrap import fill

from gradcheck.diagnose.rule import Correction, Detector, Direct, Last, Note, Rule, Scale, Traced
from gradcheck.diagnose.rules import RULES

DOCS = Path(__file__).resolve().parent
WIDTH = 110
CATALOGUE = "catalogue.md"

GROUPS = (
    (100, "Scale and sign"),
    (200, "Shape and layout"),
    (300, "Activation derivative"),
    (400, "Chain"),
    (500, "Bias"),
    (600, "Loss and regularisation"),
    (700, "Batch"),
    (800, "State of the functions"),
    (850, "Layers, in check_layer"),
    (900, "Numbers, and what has no name"),
)
"""The first code of every group, and what the group is called."""

HOW: tuple[tuple[type[Detector], str], ...] = (
    (
        Scale,
        "A constant is fitted to analytic / numeric. The rule is named where the gradient divided "
        "by it agrees with the numeric one, on every entry and at a second point.",
    ),
    (
        Correction,
        "Your gradient is rearranged. The rule is named where it then agrees with the numeric one, "
        "at your parameters and at a second point.",
    ),
    (Direct, "It is seen in what the functions do and return."),
    (Last, "It is asked of the blocks that no other rule explains."),
    (
        Traced,
        "The user's own loss and gradient are followed operation by operation. The rule is named "
        "where the earliest wrong value and the right one differ by just this, at three points, "
        "and the gradient mended there agrees with finite differences.",
    ),
    (Note, "It is a note of the report; nothing is counted as wrong for it."),
)
"""How each kind of detector comes to its finding."""


def pages(rules: Sequence[Rule] = RULES) -> dict[str, str]:
    """Every page, by its path below the folder of this file."""
    ordered = sorted(rules, key=lambda rule: rule.code)
    found = {f"rules/{rule.code}.md": rule_page(rule) for rule in ordered}
    return {CATALOGUE: catalogue_page(ordered), **found}


def rule_page(rule: Rule) -> str:
    """What `gradcheck explain` says of a rule, and how it is found."""
    parts = [
        f"# {rule.code} {rule.name}",
        f"Group: {group_of(rule)}. [All rules](../{CATALOGUE})",
        fill(rule.what, WIDTH),
        "## How it shows",
        fill(_sentence(rule.shows), WIDTH),
        "## Example",
        "<!-- fmt: off -->",
        f"```py\n# wrong\n{_code(rule.example)}\n\n# right\n{_code(rule.instead)}\n```",
        "## How it is found",
        *(fill(text, WIDTH) for text in _how(rule)),
    ]
    return "\n\n".join(parts) + "\n"


def catalogue_page(rules: Sequence[Rule]) -> str:
    """A table of the rules for every group."""
    parts = [
        "# The rules",
        fill(
            f"{len(rules)} rules. Codes and names stay as they are: none is given to another rule. "
            "`gradcheck explain` lists them too, and `gradcheck explain GC303` tells one in full. "
            "All these pages are made from the rules by `python docs/build_rules.py`.",
            WIDTH,
            break_on_hyphens=False,
        ),
    ]
    for _, title in GROUPS:
        rows = [
            f"| [{rule.code}](rules/{rule.code}.md) | {rule.name} | {_sentence(rule.shows)} |"
            for rule in rules
            if group_of(rule) == title
        ]
        if rows:
            head = "| code | rule | how it shows |\n| --- | --- | --- |"
            parts += [f"## {title}", "\n".join([head, *rows])]
    return "\n\n".join(parts) + "\n"


def group_of(rule: Rule) -> str:
    """The group that the code of a rule lies in."""
    number = int(rule.code.removeprefix("GC"))
    for (_, title), (following, _) in pairwise(GROUPS):
        if number < following:
            return title
    return GROUPS[-1][1]


def write() -> None:
    """Writes every page, and removes pages of rules that are no more."""
    wanted = pages()
    for name, text in wanted.items():
        path = DOCS / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
    for path in (DOCS / "rules").glob("*.md"):
        if f"rules/{path.name}" not in wanted:
            path.unlink()


def _how(rule: Rule) -> list[str]:
    kinds = {type(detector) for detector in rule.detectors}
    return [text for kind, text in HOW if kind in kinds]


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]


def _code(text: str) -> str:
    """One statement a line; a comment set off by two spaces."""
    code, mark, comment = text.partition("#")
    code, aside, words = (code.rstrip(), "", "") if mark else _aside(code)
    lines = code.replace(";  ", "\n").replace(";      ", "\n")
    lines = "\n".join(line.strip() for line in lines.split("\n"))
    if mark:
        return f"{lines}  # {comment.strip()}"
    return f"{lines}  # {words}" if aside else lines


def _aside(text: str) -> tuple[str, str, str]:
    """Words in brackets behind an example, which are no code."""
    code, aside, words = text.partition("      (")
    return (code.rstrip(), aside, words.rstrip().removesuffix(")")) if aside else (text, "", "")


if __name__ == "__main__":
    write()
