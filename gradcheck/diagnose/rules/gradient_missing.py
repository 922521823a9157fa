"""GC207: no gradient is returned for a block."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from gradcheck.diagnose.evidence import Evidence
from gradcheck.diagnose.rule import Direct, EditKind, Rule
from gradcheck.finding import Finding
from gradcheck.user.names import derived_names
from gradcheck.words import listed, verb


def _find(rule: Rule, evidence: Evidence) -> Iterator[Finding]:
    yield from _asked_for(rule, evidence)
    missing = [block.name for block in evidence.blocks if block.verdict == "missing"]
    if not missing:
        return
    there = [block.name for block in evidence.blocks if block.verdict != "missing"]
    returned = listed(there) if there else "nothing"
    yield rule.finding(
        missing,
        f"no gradient is returned for {listed(missing)}",
        evidence=(f"your gradient returns {returned}", _size_of(evidence, missing)),
        fix="carry delta on through the weights of the layer above, times the slope of the "
        "activation, and return a gradient for every parameter; one that is not trained "
        "does not belong in params",
    )


def _asked_for(rule: Rule, evidence: Evidence) -> Iterator[Finding]:
    """Yield blocks whose gradient the backward pass reads before it is computed."""
    raised = evidence.first.raised
    if raised is None or not isinstance(raised.error, KeyError | AttributeError):
        return
    key = raised.error.args[0] if isinstance(raised.error, KeyError) else raised.error.name
    blocks = [block.name for block in evidence.blocks if block.verdict == "raised"]
    for name in blocks:
        if key in (name, *derived_names(name)):
            finding = rule.finding(
                blocks,
                f"{key} is asked for, and no gradient of {name} was made before",
                evidence=(raised.summary,),
                fix=f"make {key} before this line, or ask for the gradient that is there",
            )
            yield replace(finding, location=raised.frames[-1]) if raised.frames else finding


def _size_of(evidence: Evidence, missing: list[str]) -> str:
    sizes = []
    for block in evidence.blocks:
        if block.name in missing and block.entries:
            sizes.append(f"{block.name} {block.numeric.largest:.3g}")
    plural = len(sizes) > 1
    return (
        f"the numeric gradient{'s' if plural else ''} there {verb(sizes, 'is', 'are')} not zero: "
        f"largest entr{'ies' if plural else 'y'} {', '.join(sizes)}"
    )


RULE = Rule(
    code="GC207",
    name="gradient-missing",
    what="The backward pass stops early, or forgets a parameter.",
    shows="there is no entry for the block in what the gradient function returns, or asks for.",
    example="return {'W2': dW2, 'b2': db2}      # of a network with W1 and b1",
    instead="return {'W1': dW1, 'b1': db1, 'W2': dW2, 'b2': db2}",
    detector=Direct(_find),
    edits=(EditKind.CONSTANT,),
)
