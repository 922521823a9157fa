"""Planted bugs get the name of the rule that describes them, and no other."""

import pytest
from planted.mutations import MUTATIONS, Pass
from planted.networks import checked, random_setup
from planted.test_mutations import CLEARLY_CHANGED, changes, layer_of
from sweeps import sample

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
    "delta without first sample": {"GC702", "GC701", "GC408", "GC414"},
    "delta clipped": {"GC412"},
    "delta zero": {"GC408"},
    "back through updated weights": {"GC404"},
    "back through turned weights": {"GC201"},
    "back through half the weights": {"GC103"},
    "weight from own output": {"GC406"},
    "weight from pre-activation": {"GC406"},
    "weight times m": {"GC101"},
    "weight of last sample": {"GC701"},
    "weight flipped": {"GC106"},
    "weight transposed": {"GC201"},
    "weight entry 1 % off": {"GC703", "GC105"},
    "weight row zero": {"GC703"},
    "weight column scaled": {"GC703", "GC105"},
    "weight zero": {"GC408"},
    "penalty missing": {"GC602"},
    "penalty flipped": {"GC603"},
    "penalty on bias": {"GC604"},
    "bias times m": {"GC502"},
    "bias over m": {"GC502"},
    "bias of last sample": {"GC701"},
    "bias over units": {"GC204"},
    "bias flipped": {"GC106"},
    "bias entry 1 % off": {"GC703", "GC105"},
    "bias zero": {"GC408"},
}
SEEDS = range(0, 32, 3)
EVERY = 9
NO_CAUSE = {"GC999", "GC408"}
MISNAMED = {"slope of relu": 1, "delta clipped": 1}
"""In how many of the networks a bug may get another name. In none, of the other bugs."""


def is_changed(seed, name):
    """Whether a bug changes a gradient of this network."""
    setup = random_setup(seed)
    net, data = setup.network, (setup.inputs, setup.targets)
    run = Pass(net, setup.params, *data)
    mutated = MUTATIONS[name](run, layer_of(seed, name, net))
    return max(changes(net.backward(setup.params, *data), mutated).values()) > CLEARLY_CHANGED


def named(seed, name):
    """How a bug is named: the first code, and those that explain as much."""
    setup = random_setup(seed)
    net, data = setup.network, (setup.inputs, setup.targets)
    layer = layer_of(seed, name, net)
    report = checked(
        setup, lambda params: MUTATIONS[name](Pass(net, params, *data), layer), entries="all"
    )
    first = report.findings[0].code if report.findings else None
    return first, {code for finding in report.findings for code in finding.equally}


def all_named(name):
    """How a bug is named in every network where it changes a gradient, or a sample of them."""
    changed = [seed for seed in SEEDS if is_changed(seed, name)]
    assert changed
    tried = sample(changed, EVERY, first=list(MUTATIONS).index(name))
    return {seed: named(seed, name) for seed in tried}


@pytest.mark.parametrize("name", sample(list(NAMES), 4, first=3))
def test_a_planted_bug_is_named_first_or_as_equal(name):
    missed = {
        seed: (first, equally)
        for seed, (first, equally) in all_named(name).items()
        if not ({first} | equally) & NAMES[name]
    }
    assert len(missed) <= MISNAMED.get(name, 0), missed


@pytest.mark.parametrize(
    ("name", "seed"),
    sample(
        [
            ("slope missing", 15),
            ("slope of output", 24),
            ("slope doubled", 6),
            ("slope of tanh", 30),
            ("slope of relu", 15),
            ("slope of relu", 27),
            ("slope at what arrives", 6),
            ("weight of last sample", 3),
        ],
        every=3,
    ),
)
def test_what_a_library_makes_on_its_way_is_not_blamed(name, seed):
    """Where the loss is the core's own, which goes round its output's activation."""
    assert named(seed, name)[0] in NAMES[name]


@pytest.mark.parametrize("name", sample(sorted(set(MUTATIONS) - set(NAMES)), 2))
def test_what_no_rule_describes_gets_no_confident_name(name):
    assert {first for first, _ in all_named(name).values()} <= NO_CAUSE
