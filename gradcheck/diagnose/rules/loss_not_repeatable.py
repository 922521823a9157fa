"""GC803: the loss differs between two calls at the same point."""

from __future__ import annotations

from collections.abc import Iterator

from gradcheck.diagnose.rule import Direct, Rule
from gradcheck.finding import Finding
from gradcheck.preflight import Preflight


def find(rule: Rule, preflight: Preflight) -> Iterator[Finding]:
    """Yield the finding if the loss changes from call to call."""
    if not preflight.repeatable:
        values = ", ".join(f"{value:.7g}" for value in (preflight.center, *preflight.repeated))
        yield rule.finding(
            (),
            "your loss gives another number when it is called again at the same parameters",
            evidence=(f"called {1 + len(preflight.repeated)} times, it gave {values}",),
            fix="draw dropout masks, noise and batches once, outside, or from a generator that is "
            "seeded at the start of every call; in a torch module, say .eval() or fix the seed",
        )


RULE = Rule(
    code="GC803",
    name="loss-not-repeatable",
    what="The loss is random, or continues where the last call ended: dropout, shuffling, the "
    "next batch of an iterator, a running mean.",
    shows="two calls of the loss at the same parameters give different numbers.",
    example="mask = np.random.rand(*a.shape) < keep",
    instead="rng = np.random.default_rng(0);  mask = rng.random(a.shape) < keep",
    detector=Direct(lambda rule, evidence: find(rule, evidence.preflight), always=True),
)
