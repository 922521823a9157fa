"""The outcome that the author of a case expects, and how a report differs from it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from gradcheck.errors import UsageError
from gradcheck.report.explain import find_rule
from gradcheck.report.model import Report

VERDICTS = ("pass", "fail", "inconclusive")


@dataclass(frozen=True)
class Expectation:
    """The expected verdict, and exactly the failing blocks and the rules; None accepts any."""

    verdict: str = "pass"
    blocks: tuple[str, ...] | None = None
    rules: tuple[str, ...] | None = None

    def differences(self, report: Report) -> Iterator[str]:
        """Yield a sentence for each way in which a report differs from the expectation."""
        if report.verdict != self.verdict:
            yield f"expected {self.verdict}, came out as {report.verdict}"
        failed = [block.name for block in report.blocks if block.failed]
        if self.blocks is not None and set(failed) != set(self.blocks):
            yield f"expected wrong blocks {_listed(self.blocks)}, found {_listed(failed)}"
        if self.rules is not None:
            names = {one.code: {one.code, one.rule} for one in report.findings}
            errors = {one.code for one in report.errors}
            unmatched = set(self.rules).difference(*names.values())
            if unmatched or any(names[code].isdisjoint(self.rules) for code in errors):
                codes = [finding.code for finding in report.findings]
                yield f"expected rules {_listed(self.rules)}, found {_listed(codes)}"

    def plain(self) -> Any:
        """Return the expectation as it appears in JSON."""
        names_by_key = {"blocks": self.blocks, "rules": self.rules}
        exact = {key: list(names) for key, names in names_by_key.items() if names is not None}
        return {"verdict": self.verdict, **exact} if exact else self.verdict


def parse_expectation(expect: str | Mapping[str, Any]) -> Expectation:
    """Parse and validate the `expect` argument of a case."""
    if isinstance(expect, str):
        if expect not in VERDICTS:
            raise UsageError(f"expect is {expect!r}; it must be one of {', '.join(VERDICTS)}")
        return Expectation(expect)
    if not isinstance(expect, Mapping):
        raise UsageError(
            f"expect is {expect!r}; it must be one of {', '.join(VERDICTS)}, or a dict with "
            "verdict, blocks or rules"
        )
    unknown = set(expect) - {"verdict", "blocks", "rules"}
    if unknown:
        raise UsageError(
            f"expect has unknown keys {sorted(unknown)}; it takes verdict, blocks and rules"
        )
    for key in ("blocks", "rules"):
        names = expect.get(key, ())
        if isinstance(names, str) or not all(isinstance(name, str) for name in names):
            raise UsageError(f"expect has {key}={names!r}; it must be a list of names")
    for name in expect.get("rules", ()):
        find_rule(name)
    fails = expect.get("blocks") or expect.get("rules")
    expectation = parse_expectation(expect.get("verdict", "fail" if fails else "pass"))
    named = [key for key in ("blocks", "rules") if key in expect]
    exact: dict[str, Any] = {key: tuple(expect[key]) for key in named}
    return replace(expectation, **exact)


def _listed(names: Iterable[str]) -> str:
    return ", ".join(names) or "none"
