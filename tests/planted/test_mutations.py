import numpy as np
import pytest
from planted.mutations import MUTATIONS, Pass
from planted.networks import random_setup

import gradcheck

pytestmark = pytest.mark.usefixtures("verdicts_only")

NETWORKS = 32
CLEARLY_CHANGED = 1e-6
UNCHANGED = 1e-12


def changes(right, mutated):
    """The relative change of every block."""
    return {
        name: np.abs(mutated[name] - right[name]).max() / max(np.abs(right[name]).max(), 1e-300)
        for name in right
    }


@pytest.mark.parametrize("seed", range(NETWORKS))
def test_every_mutation_is_caught_and_located_exactly(seed):
    setup = random_setup(seed)
    net, data = setup.network, (setup.inputs, setup.targets)
    for position, (name, mutation) in enumerate(MUTATIONS.items()):
        layer = 1 + (seed + position) % len(net.layers)
        run = Pass(net, setup.params, *data)
        changed = changes(net.backward(setup.params, *data), mutation(run, layer))
        if any(UNCHANGED < change < CLEARLY_CHANGED for change in changed.values()):
            continue

        def mutated(params, mutation=mutation, layer=layer):
            return mutation(Pass(net, params, *data), layer)

        report = gradcheck.check(
            lambda params: net.loss(params, *data), setup.params, mutated, entries="all"
        )
        wrong = {block.name for block in report.blocks if block.verdict == "wrong"}
        ok = {block.name for block in report.blocks if block.verdict == "ok"}
        expected = {block for block, change in changed.items() if change > UNCHANGED}
        assert wrong == expected, (name, layer, str(net), changed, str(report))
        assert ok == set(changed) - expected, (name, layer, str(net), str(report))
        assert report.ok == (not expected)


def test_every_mutation_changes_something_in_several_networks():
    effective = dict.fromkeys(MUTATIONS, 0)
    for seed in range(NETWORKS):
        setup = random_setup(seed)
        net, data = setup.network, (setup.inputs, setup.targets)
        right = net.backward(setup.params, *data)
        for position, (name, mutation) in enumerate(MUTATIONS.items()):
            run = Pass(net, setup.params, *data)
            changed = changes(right, mutation(run, 1 + (seed + position) % len(net.layers)))
            effective[name] += max(changed.values()) > CLEARLY_CHANGED
    assert min(effective.values()) >= 3, effective


@pytest.mark.parametrize("seed", range(16))
def test_the_same_in_float32_parameters(seed):
    setup = random_setup(seed)
    net, data = setup.network, (setup.inputs, setup.targets)
    params = {name: value.astype(np.float32) for name, value in setup.params.items()}
    promoted = {name: value.astype(np.float64) for name, value in params.items()}
    for position, (name, mutation) in enumerate(MUTATIONS.items()):
        layer = 1 + (seed + position) % len(net.layers)
        changed = changes(
            net.backward(promoted, *data), mutation(Pass(net, promoted, *data), layer)
        )
        if any(UNCHANGED < change < CLEARLY_CHANGED for change in changed.values()):
            continue

        def mutated(current, mutation=mutation, layer=layer):
            return mutation(Pass(net, current, *data), layer)

        report = gradcheck.check(
            lambda current: net.loss(current, *data), params, mutated, entries="all"
        )
        wrong = {block.name for block in report.blocks if block.verdict == "wrong"}
        expected = {block for block, change in changed.items() if change > UNCHANGED}
        assert wrong == expected, (name, layer, str(net), changed, str(report))


@pytest.mark.parametrize("seed", range(24))
def test_a_loss_that_computes_in_float32_catches_what_it_can_see(seed):
    setup = random_setup(seed)
    net = setup.network
    data = (setup.inputs.astype(np.float32), setup.targets.astype(np.float32))

    def single(params):
        return {name: value.astype(np.float32) for name, value in params.items()}

    def loss(params):
        return np.float32(net.loss(single(params), *data))

    right = gradcheck.check(
        loss, setup.params, lambda params: net.backward(single(params), *data), entries="all"
    )
    assert not any(block.failed for block in right.blocks), str(right)
    for name in ("slope missing", "delta flipped", "weight transposed", "bias zero"):
        mutation = MUTATIONS[name]
        changed = changes(
            net.backward(setup.params, *data), mutation(Pass(net, setup.params, *data), 1)
        )

        def mutated(params, mutation=mutation):
            return mutation(Pass(net, single(params), *data), 1)

        report = gradcheck.check(loss, setup.params, mutated, entries="all")
        for block in report.blocks:
            if changed[block.name] > 1e-2:
                assert block.verdict != "ok", (name, block, str(net))
            if changed[block.name] < UNCHANGED:
                assert block.verdict in ("ok", "inconclusive"), (name, block, str(net))
