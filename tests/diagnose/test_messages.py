"""What the rules say, word for word; figures are left out, as they differ by machine.

After a change of words, write the file anew: `python tests/diagnose/test_messages.py`.
"""

import re
from pathlib import Path

import pytest
from planted.mutations import MUTATIONS, Pass
from planted.networks import checked, random_setup
from sweeps import sample

SAVED = Path(__file__).with_name("messages.txt")
SEED = 13


SETUP = random_setup(SEED)
NETWORK, DATA = SETUP.network, (SETUP.inputs, SETUP.targets)


def section(name):
    """The findings of a planted bug on one network, as text."""
    layer = 1 + list(MUTATIONS).index(name) % len(NETWORK.layers)
    report = checked(SETUP, lambda params: MUTATIONS[name](Pass(NETWORK, params, *DATA), layer))
    lines = [f"{name}, layer {layer}"]
    for finding in report.findings:
        lines.append(f"  {finding.code} {finding.rule}: {finding.message}")
        lines += [f"    {line}" for line in finding.evidence]
        lines.append(f"    fix: {finding.fix}")
    return re.sub(r"-?\d+\.\d+(e[-+]\d+)?|\d+e[-+]\d+", "#", "\n".join(lines)) + "\n"


def saved():
    """The sections of the file, in their order; the first says which network it is."""
    return SAVED.read_text(encoding="utf-8").split("\n\n")


@pytest.mark.parametrize("name", sample(list(MUTATIONS), 6))
def test_the_words_are_those_that_were_agreed_on(name):
    assert section(name).rstrip("\n") in [one.rstrip("\n") for one in saved()]


def test_there_are_words_for_every_planted_bug():
    assert [one.partition(", layer")[0] for one in saved()[1:]] == list(MUTATIONS)


if __name__ == "__main__":
    text = "\n".join([f"{NETWORK}\n", *map(section, MUTATIONS)])
    SAVED.write_text(text, encoding="utf-8")
