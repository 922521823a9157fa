"""The catalogue of rules as text: all of them in a table, or one in full."""

from __future__ import annotations

import json
from collections.abc import Sequence
from operator import attrgetter
from textwrap import fill

from tabulate import tabulate

from gradcheck.diagnose.rule import Rule
from gradcheck.errors import UsageError
from gradcheck.report.width import NARROWEST
from gradcheck.words import with_nearest


def catalogue(rules: Sequence[Rule], width: int | None = None) -> str:
    """Every rule with how it shows, by code; as wide as the terminal."""
    rows = [(rule.code, rule.name, rule.shows) for rule in sorted(rules, key=attrgetter("code"))]
    left = None if width is None else width - 10 - max(len(name) for _, name, _ in rows)
    wraps = None if left is None else [None, None, max(left, NARROWEST)]
    headers = ("code", "rule", "how it shows")
    return tabulate(rows, headers, tablefmt="plain", maxcolwidths=wraps)


def as_json(rules: Sequence[Rule], wanted: str | None) -> str:
    """All rules, or one, as a JSON document."""
    chosen = sorted(rules, key=attrgetter("code")) if wanted is None else [find_rule(rules, wanted)]
    return json.dumps(
        {
            "rules": [
                {
                    "code": rule.code,
                    "rule": rule.name,
                    "what": rule.what,
                    "shows": rule.shows,
                    "example": rule.example,
                    "instead": rule.instead,
                }
                for rule in chosen
            ]
        },
        indent=2,
    )


def find_rule(rules: Sequence[Rule], wanted: str) -> Rule:
    """The rule of a code or name, in any case."""
    key = wanted.strip().lower()
    rule = next((rule for rule in rules if key in (rule.code.lower(), rule.name)), None)
    if rule is None:
        known = [name for rule in rules for name in (rule.code, rule.name)]
        all_of_them = "`gradcheck explain` lists them all"
        raise UsageError(with_nearest(f"there is no rule {wanted!r}", key, known, all_of_them))
    return rule


def explain(rules: Sequence[Rule], wanted: str | None, width: int | None = None) -> str:
    """One rule, by its code or name in any case: what it is, how it shows, an example and the fix.

    Of all rules, or of those whose codes begin as wanted or whose names have the word, the table.
    """
    begins = "" if wanted is None else wanted.strip().upper()
    of_them = [rule for rule in rules if rule.code.startswith(begins)]
    if wanted is None or (begins.startswith("GC") and len(begins) < 5 and of_them):
        return catalogue(of_them, width)
    of_them = [rule for rule in rules if begins in rule.name.upper().split("-")]
    if len(of_them) > 1 and begins not in (rule.name.upper() for rule in of_them):
        return catalogue(of_them, width)
    rule = of_them[0] if len(of_them) == 1 else find_rule(rules, wanted)
    return "\n".join(
        (
            f"{rule.code} {rule.name}",
            "",
            fill(rule.what, 88),
            "",
            fill(f"How it shows: {rule.shows}", 88),
            "",
            f"    wrong:  {rule.example}",
            f"    right:  {rule.instead}",
        )
    )
