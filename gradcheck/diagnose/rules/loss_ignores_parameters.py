"""GC805: the loss does not depend on what it is given."""

from __future__ import annotations

from collections.abc import Iterator

from gradcheck.diagnose.evidence import Evidence
from gradcheck.diagnose.rule import Direct, Rule
from gradcheck.finding import Finding
from gradcheck.words import listed, verb

ELSEWHERE = (
    "if it reads these arrays from elsewhere (globals, a network), say "
    "gradcheck.parameters(params, in_place=True)"
)
OF_NONE = f"compute the loss from the parameters that it is given; {ELSEWHERE}"


def _find(rule: Rule, evidence: Evidence) -> Iterator[Finding]:
    ignored, center = evidence.preflight.ignored, evidence.first.center
    wrong = tuple(block.name for block in evidence.blocks if block.name in ignored and block.failed)
    every = len(ignored) == len(evidence.names)
    if wrong or every:
        names = wrong or ignored
        yield rule.finding(
            names,
            f"your loss does not depend on {listed(names)}",
            evidence=(
                f"moved by 0.1, 1 and 10 in every entry, {listed(names)} "
                f"{verb(names, 'leaves', 'leave')} the loss at exactly {center:.7g}",
            ),
            fix=OF_NONE
            if every
            else f"use {listed(names)} in the forward pass, or leave out "
            f"{verb(names, 'its gradient', 'their gradients')}; {ELSEWHERE}",
        )


RULE = Rule(
    code="GC805",
    name="loss-ignores-parameters",
    what="The loss reads its weights from somewhere else than its argument, or from a copy that "
    "was made before.",
    shows="however far a parameter is moved, the loss stays the same to the last bit.",
    example="def loss(params): return mse(X @ W, Y)",
    instead="def loss(params): return mse(X @ params['W'], Y)",
    detector=Direct(_find, always=True),
)
