"""What the rules say, word for word; figures are left out, as they differ by machine.

After a change of words, write the file anew: `python tests/diagnose/test_messages.py`.
"""

import re
from pathlib import Path

from planted.mutations import MUTATIONS, Pass
from planted.networks import random_setup

import gradcheck

SAVED = Path(__file__).with_name("messages.txt")
SEED = 13


def told():
    """The findings of every planted bug on one network, as text."""
    setup = random_setup(SEED)
    net, data = setup.network, (setup.inputs, setup.targets)
    lines = [str(net)]
    for position, (name, mutation) in enumerate(MUTATIONS.items()):
        layer = 1 + position % len(net.layers)
        report = gradcheck.check(
            lambda params: net.loss(params, *data),
            setup.params,
            lambda params, mutation=mutation, layer=layer: mutation(
                Pass(net, params, *data), layer
            ),
            inputs=setup.inputs,
            targets=setup.targets,
        )
        lines.append(f"\n{name}, layer {layer}")
        for finding in report.findings:
            lines.append(f"  {finding.code} {finding.rule}: {finding.message}")
            lines += [f"    {line}" for line in finding.evidence]
            lines.append(f"    fix: {finding.fix}")
    return re.sub(r"-?\d+\.\d+(e[-+]\d+)?|\d+e[-+]\d+", "#", "\n".join(lines)) + "\n"


def test_the_words_are_those_that_were_agreed_on():
    assert told() == SAVED.read_text(encoding="utf-8")


if __name__ == "__main__":
    SAVED.write_text(told(), encoding="utf-8")
