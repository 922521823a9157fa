"""GC801: the gradient depends on what earlier calls left behind."""

from __future__ import annotations

from collections.abc import Iterator

from gradcheck.diagnose.evidence import Evidence
from gradcheck.diagnose.rule import Direct, EditKind, Rule, Traced
from gradcheck.finding import Finding
from gradcheck.trace import fault
from gradcheck.words import gradient_of


def _find(rule: Rule, evidence: Evidence) -> Iterator[Finding]:
    names = evidence.first.unstable
    if names:
        yield rule.finding(
            names,
            f"{gradient_of(names)} another one when your gradient is called again at the "
            "same parameters",
            evidence=("the verdicts above are on the first of the two calls",),
            fix="at the start of every call, set gradients that accumulate to zero, and seed the "
            "generator that random numbers are drawn from; sort a set before going over it",
        )


def _kept(rule: Rule, evidence: Evidence) -> Iterator[Finding]:
    names = [block.name for block in evidence.blocks if block.failed]
    if evidence.preflight.kept and names:
        yield rule.finding(
            names,
            f"{gradient_of(names)} right for your parameters, where your gradient was asked first, "
            "and for no others: it uses what was computed for these",
            evidence=("the verdicts above are for parameters that are moved a little from yours",),
            fix="read the parameters that the function is given, and compute anew in every call "
            "what depends on them",
        )


RULE = Rule(
    code="GC801",
    name="stale-state",
    what="The gradient function keeps something from call to call: gradients that are accumulated "
    "and never cleared, a cache of an earlier forward pass, a random mask.",
    shows="two calls at the same parameters give different gradients; or the gradient is right "
    "where it was asked first, and the same at other parameters, where it is wrong.",
    example="self.dW += X.T @ delta      # and nothing sets it to 0",
    instead="self.dW = X.T @ delta",
    detector=Direct(_find, always=True),
    also=(Direct(_kept), Traced((fault.EARLIER_CALL,))),
    edits=(EditKind.ASSIGNED_OR_ADDED, EditKind.MOVED_STATEMENT, EditKind.INSERTED),
)
