"""GC804: a returned gradient is a parameter's own array, or is overwritten by the next call."""

from __future__ import annotations

from collections.abc import Iterator

from gradcheck.diagnose.evidence import Evidence
from gradcheck.diagnose.rule import Direct, Rule
from gradcheck.finding import Finding
from gradcheck.words import gradient_of


def _find(rule: Rule, evidence: Evidence) -> Iterator[Finding]:
    reasons = (
        (
            evidence.preflight.aliased,
            "returned in the parameters' own memory",
            "an update of the parameters changes this gradient while it is used",
        ),
        (
            evidence.preflight.overwritten,
            "overwritten by the next call",
            "kept from one call, the array held other numbers after a call at another point",
        ),
    )
    for names, what, proof in reasons:
        if names:
            yield rule.finding(
                names,
                f"{gradient_of(names)} {what}",
                evidence=(proof,),
                fix="return a copy: `grad.copy()`",
            )


RULE = Rule(
    code="GC804",
    name="aliased-gradient",
    what="The returned gradient is not an array of its own: it is the parameter itself, a view of "
    "it, or a buffer that every call fills anew.",
    shows="it shares memory with a parameter, or changes when the function is called again.",
    example="np.matmul(X.T, delta, out=self.buffer);  return self.buffer",
    instead="return X.T @ delta",
    detector=Direct(_find, always=True),
    severity="warning",
)
