"""Every mutation at every layer: the verdict, and the blocks it is put down to."""

import numpy as np
import pytest
from planted.further_mutations import FURTHER_MUTATIONS
from planted.mutations import Pass
from planted.networks import random_setup
from planted.test_mutations import changes
from sweeps import sample

import gradcheck

CLEARLY_CHANGED = 5e-6
UNCHANGED = 1e-10
SEEN_IN_FLOAT32 = 1e-2
EVERY = 12


def planted(*seeds, first=0):
    """Random networks with every mutation of each, or a sample of them."""
    sweep = [(seed, name) for seed in seeds for name in FURTHER_MUTATIONS]
    return pytest.mark.parametrize(("seed", "name"), sample(sweep, EVERY, first))


def verdicts(setup, params, loss, mutation, layer, cast=lambda params: params, data=None):
    net = setup.network
    data = data or (setup.inputs, setup.targets)
    report = gradcheck.check(
        loss,
        params,
        lambda current: mutation(Pass(net, cast(current), *data), layer),
        entries="all",
        diagnose=False,
    )
    return report, {block.name: block.verdict for block in report.blocks}


def promoted(params):
    return {name: value.astype(np.float64) for name, value in params.items()}


def single(params):
    return {name: value.astype(np.float32) for name, value in params.items()}


def expectation(changed, clearly):
    """The verdict of every block of which it can be said."""
    expected = {name: "wrong" for name, change in changed.items() if change > clearly}
    return expected | {name: "ok" for name, change in changed.items() if change < UNCHANGED}


def layers_of(seed, net):
    """The layers that are tried: all, or every other one, from another in the next network."""
    return sample(list(net.layers), every=2, first=seed)


def assert_located(seed, setup, params, mutation):
    net, data = setup.network, (setup.inputs, setup.targets)
    right = net.backward(promoted(params), *data)
    for layer in layers_of(seed, net):
        changed = changes(right, mutation(Pass(net, promoted(params), *data), layer))
        expected = expectation(changed, CLEARLY_CHANGED)
        report, found = verdicts(
            setup, params, lambda current: net.loss(current, *data), mutation, layer
        )
        told = (layer, str(net), changed, str(report))
        assert {block: found[block] for block in expected} == expected, told
        if "wrong" in expected.values():
            assert report.verdict == "fail", told


@planted(*range(32, 38))
def test_a_mutation_is_located_at_every_layer(seed, name):
    setup = random_setup(seed)
    assert_located(seed, setup, setup.params, FURTHER_MUTATIONS[name])


@planted(16, 25, 30, first=1)
def test_a_mutation_is_located_with_float32_parameters(seed, name):
    setup = random_setup(seed)
    assert_located(seed, setup, single(setup.params), FURTHER_MUTATIONS[name])


@planted(0, 1, 3, 5, first=7)
def test_a_float32_loss_calls_nothing_right_that_it_can_see_is_wrong(seed, name):
    setup = random_setup(seed)
    net = setup.network
    data = (setup.inputs.astype(np.float32), setup.targets.astype(np.float32))

    def loss(params):
        return np.float32(net.loss(single(params), *data))

    right, mutation = net.backward(setup.params, *data), FURTHER_MUTATIONS[name]
    for layer in layers_of(seed, net):
        changed = changes(right, mutation(Pass(net, setup.params, *data), layer))
        if max(changed.values()) <= SEEN_IN_FLOAT32:
            continue
        report, found = verdicts(setup, setup.params, loss, mutation, layer, single, data)
        told = (layer, str(net), changed, str(report))
        assert report.verdict != "pass", told
        for block, change in changed.items():
            if change > SEEN_IN_FLOAT32:
                seen = next(b.resolution for b in report.blocks if b.name == block)
                assert found[block] != "ok" or seen > change, (block, *told)
            if change < UNCHANGED:
                assert found[block] != "wrong", (block, *told)
