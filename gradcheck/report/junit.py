"""Outcomes as JUnit XML: one test case each; failures list the blocks, properties the codes."""

from __future__ import annotations

from collections.abc import Sequence
from xml.etree import ElementTree
from xml.etree.ElementTree import Element, SubElement

from gradcheck.report.outcome import AS_EXPECTED, WRONG, Outcome
from gradcheck.report.text import outcome_text
from gradcheck.words import printable_lines


def render(outcomes: Sequence[Outcome]) -> str:
    """Return an XML document; control characters, which XML cannot hold, are spelled out."""
    suite = Element(
        "testsuite",
        name="gradcheck",
        tests=str(len(outcomes)),
        failures=str(sum(outcome.status == WRONG for outcome in outcomes)),
        errors=str(sum(outcome.status not in (AS_EXPECTED, WRONG) for outcome in outcomes)),
        time=f"{sum(map(_seconds, outcomes)):.3f}",
    )
    for outcome in outcomes:
        _add_case(suite, outcome)
    root = Element("testsuites")
    root.append(suite)
    ElementTree.indent(root)
    return ElementTree.tostring(root, encoding="unicode", xml_declaration=True)


def _add_case(suite: Element, outcome: Outcome) -> None:
    file, _, name = outcome.name.rpartition(":")
    case = SubElement(
        suite,
        "testcase",
        classname=printable_lines(file or "gradcheck"),
        name=printable_lines(name),
        time=f"{_seconds(outcome):.3f}",
    )
    properties = SubElement(case, "properties")
    for key, value in _properties(outcome):
        SubElement(properties, "property", name=key, value=printable_lines(value))
    if outcome.status == AS_EXPECTED:
        return
    kind, message = "failure" if outcome.status == WRONG else "error", outcome.reason
    problem = SubElement(case, kind, message=printable_lines(message), type=outcome.verdict)
    text = message if outcome.report is None else outcome_text(outcome).rstrip()
    problem.text = printable_lines(text)


def _properties(outcome: Outcome) -> list[tuple[str, str]]:
    pairs = [("verdict", outcome.verdict)]
    if outcome.report is not None:
        pairs += [("rule", finding.code) for finding in outcome.report.findings]
        pairs += [("wrong block", block.name) for block in outcome.report.blocks if block.failed]
    return pairs


def _seconds(outcome: Outcome) -> float:
    return 0.0 if outcome.report is None else outcome.report.seconds
