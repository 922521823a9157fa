"""The samples of the sweeps: fewer of everything, and something of each kind."""

from dataclasses import dataclass

import sweeps
from mending import test_planted
from mending.planted import styles
from planted import test_every_layer, test_mutations
from planted.conditions import CONDITIONS
from planted.further_mutations import FURTHER_MUTATIONS
from planted.mutations import MUTATIONS
from planted.networks import HIDDEN, OUTPUTS, random_setup
from planted.test_kinks_and_scales import SEEDS, sample_for


def tried(*tests):
    """What tests are parametrized with."""
    return [row for test in tests for mark in test.pytestmark for row in mark.args[1]]


def assert_of_every_kind(seeds):
    """That the networks of these seeds have each activation, loss and layout."""
    networks = [random_setup(seed).network for seed in seeds]
    assert {name for net in networks for name in net.activations[:-1]} == set(HIDDEN)
    assert {(net.activations[-1], net.loss_name) for net in networks} == set(OUTPUTS)
    assert {net.layout for net in networks} == {"rows", "columns"}


def test_every_mutation_is_planted_in_every_kind_of_network():
    rows = tried(test_mutations.test_a_mutation_is_caught_and_located_exactly)
    assert {name for _, name in rows} == set(MUTATIONS)
    assert_of_every_kind({seed for seed, _ in rows})


def test_every_further_mutation_is_planted():
    rows = tried(
        test_every_layer.test_a_mutation_is_located_at_every_layer,
        test_every_layer.test_a_mutation_is_located_with_float32_parameters,
        test_every_layer.test_a_float32_loss_calls_nothing_right_that_it_can_see_is_wrong,
    )
    assert {name for _, name in rows} == set(FURTHER_MUTATIONS)


def test_every_condition_is_tried_on_every_kind_of_network():
    seeds = [sample_for(name, SEEDS) for name in CONDITIONS]
    assert all(seeds)
    assert {seed for some in seeds for seed in some} == set(SEEDS)


def test_bugs_of_every_style_are_repaired():
    assert {bug.style for bug in test_planted.TRIED} == set(styles())
    assert any(" + " in bug.name for bug in test_planted.TRIED)


def test_a_sample_is_counted_round_and_all_is_all(monkeypatch):
    monkeypatch.setattr(sweeps, "ALL", False)
    assert sweeps.sample(range(10), 4) == [0, 4, 8]
    assert sweeps.sample(range(10), 4, first=6) == [2, 6]
    assert sweeps.sample([7, 8], 4, first=3) == [8]
    assert sweeps.sample([], 4) == []
    monkeypatch.setattr(sweeps, "ALL", True)
    assert sweeps.sample(range(10), 4) == list(range(10))


@dataclass(frozen=True)
class Item:
    """A test as pytest collects it."""

    nodeid: str
    mark: str = ""

    def get_closest_marker(self, name):
        return name if name == self.mark else None


def test_of_many_instances_of_a_search_some_are_of_the_whole_run():
    several = [Item(f"tests/script/test_a.py::test_it[{k}]") for k in range(7)]
    few = [Item(f"tests/trace/test_b.py::test_it[{k}]") for k in range(2)]
    quick = [Item(f"tests/numeric/test_c.py::test_it[{k}]") for k in range(7)]
    sampled = [Item(f"tests/mending/test_planted.py::test_it[{k}]") for k in range(7)]
    long = Item("tests/script/test_a.py::test_long", "in_full")
    of_run, left = sweeps.of_whole_run([*several, *few, long, *quick, *sampled])
    assert of_run == [*several[::5], *few, *quick, *sampled]
    assert left == [one for one in several if one not in several[::5]] + [long]
