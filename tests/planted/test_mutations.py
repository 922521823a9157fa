import numpy as np
import pytest
from planted.mutations import MUTATIONS, Pass
from planted.networks import random_setup
from sweeps import sample

import gradcheck

NETWORKS = 32
CLEARLY_CHANGED = 1e-6
UNCHANGED = 1e-12


def planted(networks, every):
    """Random networks with every mutation of each, or a sample of them."""
    sweep = [(seed, name) for seed in range(networks) for name in MUTATIONS]
    return pytest.mark.parametrize(("seed", "name"), sample(sweep, every))


def layer_of(seed, name, net):
    """The layer that a mutation is planted in: another in the next network."""
    return 1 + (seed + list(MUTATIONS).index(name)) % len(net.layers)


def changes(right, mutated):
    """The relative change of every block."""
    return {
        name: np.abs(mutated[name] - right[name]).max() / max(np.abs(right[name]).max(), 1e-300)
        for name in right
    }


def located(setup, params, seed, name):
    """The report on a mutation, and the blocks that it changes; None where that is not clear."""
    net, data, mutation = setup.network, (setup.inputs, setup.targets), MUTATIONS[name]
    layer = layer_of(seed, name, net)
    promoted = {block: value.astype(np.float64) for block, value in params.items()}
    changed = changes(net.backward(promoted, *data), mutation(Pass(net, promoted, *data), layer))
    if any(UNCHANGED < change < CLEARLY_CHANGED for change in changed.values()):
        return None
    report = gradcheck.check(
        lambda current: net.loss(current, *data),
        params,
        lambda current: mutation(Pass(net, current, *data), layer),
        entries="all",
        diagnose=False,
    )
    return report, {block for block, change in changed.items() if change > UNCHANGED}


def blocks_that_are(verdict, report):
    return {block.name for block in report.blocks if block.verdict == verdict}


@planted(NETWORKS, every=27)
def test_a_mutation_is_caught_and_located_exactly(seed, name):
    setup = random_setup(seed)
    if (found := located(setup, setup.params, seed, name)) is not None:
        report, expected = found
        assert blocks_that_are("wrong", report) == expected, str(report)
        assert blocks_that_are("ok", report) == set(setup.params) - expected, str(report)
        assert report.ok == (not expected)


def test_every_mutation_changes_something_in_several_networks():
    effective = dict.fromkeys(MUTATIONS, 0)
    for seed in range(NETWORKS):
        setup = random_setup(seed)
        net, data = setup.network, (setup.inputs, setup.targets)
        right = net.backward(setup.params, *data)
        for name, mutation in MUTATIONS.items():
            run = Pass(net, setup.params, *data)
            changed = changes(right, mutation(run, layer_of(seed, name, net)))
            effective[name] += max(changed.values()) > CLEARLY_CHANGED
    assert min(effective.values()) >= 3, effective


@planted(16, every=15)
def test_the_same_in_float32_parameters(seed, name):
    setup = random_setup(seed)
    params = {block: value.astype(np.float32) for block, value in setup.params.items()}
    if (found := located(setup, params, seed, name)) is not None:
        report, expected = found
        assert blocks_that_are("wrong", report) == expected, str(report)


@pytest.mark.parametrize("seed", sample(range(24), every=9))
def test_a_loss_that_computes_in_float32_catches_what_it_can_see(seed):
    setup = random_setup(seed)
    net = setup.network
    data = (setup.inputs.astype(np.float32), setup.targets.astype(np.float32))

    def single(params):
        return {name: value.astype(np.float32) for name, value in params.items()}

    def loss(params):
        return np.float32(net.loss(single(params), *data))

    right = gradcheck.check(
        loss,
        setup.params,
        lambda params: net.backward(single(params), *data),
        entries="all",
        diagnose=False,
    )
    assert not any(block.failed for block in right.blocks), str(right)
    for name in ("slope missing", "delta flipped", "weight transposed", "bias zero"):
        mutation = MUTATIONS[name]
        changed = changes(
            net.backward(setup.params, *data), mutation(Pass(net, setup.params, *data), 1)
        )

        def mutated(params, mutation=mutation):
            return mutation(Pass(net, single(params), *data), 1)

        report = gradcheck.check(loss, setup.params, mutated, entries="all", diagnose=False)
        for block in report.blocks:
            if changed[block.name] > 1e-2:
                assert block.verdict != "ok", (name, block, str(net))
            if changed[block.name] < UNCHANGED:
                assert block.verdict in ("ok", "inconclusive"), (name, block, str(net))
