"""Findings for code scanning."""

import json

from report.reports import WRONG

from gradcheck.report.outcome import Outcome
from gradcheck.report.sarif import render


def test_a_finding_is_a_result_at_its_line():
    bad = Outcome("nets:bad", WRONG, differences=("expected pass, came out as fail",))
    lost = Outcome("nets:lost", None, differences=("it hangs",), error="it hangs")
    document = json.loads(render([bad, lost, Outcome("nets:known", WRONG)]))
    (run,) = document["runs"]
    assert document["version"] == "2.1.0"
    rules = {rule["id"] for rule in run["tool"]["driver"]["rules"]}
    assert rules == {result["ruleId"] for result in run["results"]}
    first, last = run["results"][0], run["results"][-1]
    assert first["level"] == "error"
    assert first["locations"][0]["physicalLocation"]["region"]["startLine"] == 41
    assert last["message"]["text"] == "nets:lost: it hangs"
