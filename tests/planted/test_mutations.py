import numpy as np
import pytest
from planted.mutations import MUTATIONS, Pass
from planted.networks import checked, random_setup
from sweeps import sample

NETWORKS = 32
CLEARLY_CHANGED = 1e-6
UNCHANGED = 1e-12


def layer_of(seed, name, net):
    """The layer that a mutation is planted in: another in the next network."""
    return 1 + (seed + list(MUTATIONS).index(name)) % len(net.layers)


def changes(right, mutated):
    """The relative change of every block."""
    return {
        name: np.abs(mutated[name] - right[name]).max() / max(np.abs(right[name]).max(), 1e-300)
        for name in right
    }


SWEEP = [(seed, name) for seed in range(NETWORKS) for name in MUTATIONS]


@pytest.mark.parametrize(("seed", "name"), sample(SWEEP, every=27))
def test_a_mutation_is_caught_and_located_exactly(seed, name):
    setup, mutation = random_setup(seed), MUTATIONS[name]
    net, data = setup.network, (setup.inputs, setup.targets)

    def mutated(params):
        return mutation(Pass(net, params, *data), layer_of(seed, name, net))

    changed = changes(net.backward(setup.params, *data), mutated(setup.params))
    if any(UNCHANGED < change < CLEARLY_CHANGED for change in changed.values()):
        return
    report = checked(setup, mutated, entries="all", diagnose=False)
    wrong = {block for block, change in changed.items() if change > UNCHANGED}
    found = {block.name: block.verdict for block in report.blocks}
    assert found == {name: "wrong" if name in wrong else "ok" for name in setup.params}, str(report)
    assert report.ok == (not wrong)


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
