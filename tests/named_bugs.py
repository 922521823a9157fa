"""A program that is right, and with a bug in it: what is found first, and where the bug is."""

import pytest
from sweeps import sample

import gradcheck
from benchmarks.edits.edit import module_of


def line_of(text, script):
    """The line of a script on which a text stands first."""
    return script[: script.index(text)].count("\n") + 1


def bugs(*cases):
    """Parametrize a test by a sample of bugs: a program, a right text, a wrong one, and a code."""
    names = ("program", "right", "wrong", "code")
    return pytest.mark.parametrize(names, sample(cases, every=2))


def first_finding(program, right, wrong, folder):
    """The first finding once a right text is a wrong one, the line of it, and the report."""
    assert program.count(right) == 1
    assert gradcheck.check(*_taken(program, folder / "right.py")).ok
    report = gradcheck.check(*_taken(program.replace(right, wrong), folder / "wrong.py"))
    return report.findings[0], program[: program.index(right)].count("\n") + 1, str(report)


def assert_found(program, right, wrong, code, folder):
    """Check that a bug is found first at its line, by a code."""
    finding, line, report = first_finding(program, right, wrong, folder)
    assert (finding.location.line, finding.code) == (line, code), report


def _taken(source, path):
    module = module_of(source, path)
    return module.loss, module.params(), module.grad
