"""Planted bugs get the name of the rule that describes them, and no other."""

from collections import Counter

import numpy as np
import pytest
from planted.mutations import MUTATIONS, Pass
from planted.networks import random_setup

import gradcheck

NAMES = {
    "slope missing": {"GC303"},
    "slope of output": {"GC301"},
    "slope doubled": {"GC304"},
    "slope of tanh": {"GC305"},
    "slope of relu": {"GC305", "GC306"},
    "slope at what arrives": {"GC307"},
    "delta flipped": {"GC106"},
    "delta over m": {"GC102"},
    "delta times m": {"GC101"},
    "delta twice": {"GC103"},
    "delta slightly off": {"GC105"},
    "delta of last sample": {"GC701"},
    "delta without first sample": {"GC702", "GC701", "GC408"},
    "delta zero": {"GC408"},
    "back through turned weights": {"GC201"},
    "back through half the weights": {"GC103"},
    "weight from own output": {"GC406"},
    "weight from pre-activation": {"GC406"},
    "weight times m": {"GC101"},
    "weight of last sample": {"GC701"},
    "weight flipped": {"GC106"},
    "weight transposed": {"GC201"},
    "weight entry 1 % off": {"GC703"},
    "weight row zero": {"GC703"},
    "weight column scaled": {"GC703"},
    "weight zero": {"GC408"},
    "penalty missing": {"GC602"},
    "penalty flipped": {"GC603"},
    "penalty on bias": {"GC604"},
    "bias times m": {"GC502"},
    "bias over m": {"GC502"},
    "bias of last sample": {"GC701"},
    "bias over units": {"GC204"},
    "bias flipped": {"GC106"},
    "bias entry 1 % off": {"GC703"},
    "bias zero": {"GC408"},
}
SEEDS = range(0, 32, 3)


def effect(right, mutated):
    return max(
        np.abs(mutated[name] - right[name]).max() / max(np.abs(right[name]).max(), 1e-300)
        for name in right
    )


@pytest.fixture(scope="module")
def found():
    """What was found for every mutation: lists of (first code, all codes with equals)."""
    results = {name: [] for name in MUTATIONS}
    for seed in SEEDS:
        setup = random_setup(seed)
        net, data = setup.network, (setup.inputs, setup.targets)
        right = net.backward(setup.params, *data)
        for position, (name, mutation) in enumerate(MUTATIONS.items()):
            layer = 1 + (seed + position) % len(net.layers)
            if effect(right, mutation(Pass(net, setup.params, *data), layer)) < 1e-6:
                continue
            report = gradcheck.check(
                lambda params, net=net, data=data: net.loss(params, *data),
                setup.params,
                lambda params, mutation=mutation, net=net, data=data, layer=layer: mutation(
                    Pass(net, params, *data), layer
                ),
                inputs=setup.inputs,
                targets=setup.targets,
                entries="all",
            )
            codes = [finding.code for finding in report.findings]
            equal = {code for finding in report.findings for code in finding.equally}
            results[name].append((codes, equal, f"{net} layer {layer}"))
    return results


def test_planted_bugs_are_named_first_or_as_equal(found):
    named, all_ = 0, 0
    missed = Counter()
    for name, codes in NAMES.items():
        for first, equal, where in found[name]:
            hit = bool(first) and (first[0] in codes or bool(codes & equal))
            named += hit
            all_ += 1
            if not hit:
                missed[f"{name}: {first} {where}"] += 1
    assert named >= 0.98 * all_, (named, all_, missed)


def test_what_no_rule_describes_gets_no_confident_name(found):
    honest, all_ = 0, 0
    for name in set(MUTATIONS) - set(NAMES):
        for codes, _, _ in found[name]:
            honest += bool(codes) and codes[0] in ("GC999", "GC408")
            all_ += 1
    assert honest >= 0.9 * all_
