"""The catalogue of rules as text: a table of all rules, or one rule in full."""

from __future__ import annotations

import json
from collections.abc import Sequence
from operator import attrgetter
from textwrap import fill

from tabulate import tabulate

from gradcheck.diagnose.rule import Rule
from gradcheck.diagnose.rules import RULES
from gradcheck.errors import UsageError
from gradcheck.report.width import NARROWEST
from gradcheck.words import with_nearest


def catalogue(rules: Sequence[Rule], width: int | None) -> str:
    """Return a table of all rules by code, fitted to the width of the terminal."""
    rows = [(rule.code, rule.name, rule.shows) for rule in sorted(rules, key=attrgetter("code"))]
    room = None if width is None else width - 10 - max(len(name) for _, name, _ in rows)
    wraps = None if room is None else [None, None, max(room, NARROWEST)]
    headers = ("code", "rule", "how it shows")
    return tabulate(rows, headers, tablefmt="plain", maxcolwidths=wraps)


def as_json(wanted: str | None) -> str:
    """Return all rules, or one, as a JSON document."""
    chosen = sorted(RULES, key=attrgetter("code")) if wanted is None else [find_rule(wanted)]
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


def find_rule(wanted: str) -> Rule:
    """Return the rule with a code or name, in upper or lower case."""
    key = wanted.strip().lower()
    rule = next((rule for rule in RULES if key in (rule.code.lower(), rule.name)), None)
    if rule is None:
        names = [name for rule in RULES for name in (rule.code, rule.name)]
        all_of_them = "`gradcheck explain` lists them all"
        raise UsageError(with_nearest(f"there is no rule {wanted!r}", key, names, all_of_them))
    return rule


def explain(wanted: str | None, width: int | None = None) -> str:
    """Explain one rule, named by its code or name: what it is, how it shows, example and fix.

    Without a rule, for a prefix of codes, or for a word of several names, return a table.
    """
    prefix = "" if wanted is None else wanted.strip().upper()
    matches = [rule for rule in RULES if rule.code.startswith(prefix)]
    if wanted is None or (prefix.startswith("GC") and len(prefix) < 5 and matches):
        return catalogue(matches, width)
    matches = [rule for rule in RULES if prefix in rule.name.upper().split("-")]
    if len(matches) > 1 and prefix not in (rule.name.upper() for rule in matches):
        return catalogue(matches, width)
    rule = matches[0] if len(matches) == 1 else find_rule(wanted)
    return "\n".join(
        (
            f"{rule.code} {rule.name}",
            "",
            fill(rule.what, 88, break_on_hyphens=False),
            "",
            fill(f"How it shows: {rule.shows}", 88, break_on_hyphens=False),
            "",
            f"    wrong:  {rule.example}",
            f"    right:  {rule.instead}",
        )
    )
