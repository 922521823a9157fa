"""Points and losses where checkers fail: kinks, saturation, scales, offsets, low precision."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from planted.mutations import Pass
from planted.networks import HIDDEN, Setup, random_setup

from gradcheck.network import MLP

KINKED = ("relu", "leaky_relu", "elu")
MANY = 200


def place(setup, layer, unit, sample, distance):
    """Sets a bias so that one pre-activation is `distance`."""
    net = setup.network
    trace = net.trace(setup.params, setup.inputs, setup.targets)
    values = trace.pre_activations[layer - 1].take(sample, axis=net.arrangement.sample_axis)
    setup.params[f"b{layer}"].flat[unit] += distance - values[unit]


def one_unit_a_layer(distance):
    def change(setup, rng):
        net = setup.network
        samples = setup.inputs.shape[net.arrangement.sample_axis]
        for layer in net.layers[:-1]:
            unit = int(rng.integers(net.sizes[layer]))
            place(setup, layer, unit, int(rng.integers(samples)), distance)

    return change


def all_units(setup, rng):
    """Every unit of a layer is near its kink, at one distance, for one sample."""
    net = setup.network
    samples = setup.inputs.shape[net.arrangement.sample_axis]
    for layer in net.layers[:-1]:
        sample, distance = int(rng.integers(samples)), rng.choice(DISTANCES)
        for unit in range(net.sizes[layer]):
            place(setup, layer, unit, sample, distance)


def dead(setup, rng):
    setup.params["b1"] -= 20


def half_dead(setup, rng):
    setup.params["b1"].flat[::2] -= 20


def saturated(setup, rng):
    setup.params = {name: 10 * value for name, value in setup.params.items()}


def mixed_layers(setup, rng):
    for layer in setup.network.layers:
        setup.params[f"W{layer}"] *= 10 ** rng.uniform(-4, 3)


def mixed_features(setup, rng):
    scales = 10 ** rng.uniform(-3, 3, setup.network.sizes[0])
    setup.inputs *= scales if setup.network.layout == "rows" else scales[:, None]


def many_samples(setup, rng):
    net, layout = setup.network, setup.network.arrangement
    setup.inputs = rng.standard_normal(layout.data_shape(MANY, net.sizes[0]))
    setup.targets = rng.uniform(0.1, 0.9, layout.data_shape(MANY, net.sizes[-1]))
    if "softmax" in net.activations:
        setup.targets /= setup.targets.sum(axis=layout.unit_axis, keepdims=True)


def unchanged(setup, rng):
    pass


@dataclass(frozen=True)
class Condition:
    change: Callable = unchanged
    hidden: tuple[str, ...] = HIDDEN
    factor: float = 1.0
    constant: float = 0.0
    single: bool = False

    @property
    def visible(self) -> float:
        """The relative change of a block that must not pass."""
        return 1e-2 if self.single or self.constant else 1e-3


DISTANCES = [0.0, *(sign * 10.0**-k for k in range(9, 3, -1) for sign in (1, -1))]

CONDITIONS = {
    **{f"kink at {d:g}": Condition(one_unit_a_layer(d), KINKED) for d in DISTANCES},
    "all by kinks": Condition(all_units, KINKED),
    "dead": Condition(dead, ("relu",)),
    "half dead": Condition(half_dead, ("relu",)),
    "saturated": Condition(saturated, ("sigmoid", "tanh")),
    "mixed layers": Condition(mixed_layers),
    "mixed features": Condition(mixed_features),
    "offset 1e6": Condition(constant=1e6),
    "gradients of 1e-9": Condition(factor=1e-9),
    "float32": Condition(single=True),
    "many samples": Condition(many_samples, ("relu",)),
}


@dataclass
class Case:
    """A network under a condition, with its loss and its gradient, right or mutated."""

    condition: Condition
    setup: Setup

    @classmethod
    def random(cls, name, seed):
        condition, setup = CONDITIONS[name], random_setup(seed)
        net, rng = setup.network, np.random.default_rng(seed + 999)
        hidden = [str(chosen) for chosen in rng.choice(condition.hidden, len(net.layers) - 1)]
        activations = [*hidden, net.activations[-1]]
        setup.network = MLP(net.sizes, activations, net.loss_name, net.layout, net.l2)
        condition.change(setup, rng)
        return cls(condition, setup)

    def _cast(self, value):
        return value.astype(np.float32) if self.condition.single else value

    def _given(self, params):
        data = (self._cast(self.setup.inputs), self._cast(self.setup.targets))
        return {name: self._cast(value) for name, value in params.items()}, data

    def loss(self, params):
        params, data = self._given(params)
        value = self.setup.network.loss(params, *data)
        value = self.condition.factor * value + self.condition.constant
        return np.float32(value) if self.condition.single else value

    def grad(self, params, mutation=None, layer=1):
        params, data = self._given(params)
        run = Pass(self.setup.network, params, *data)
        gradients = run.backward() if mutation is None else mutation(run, layer)
        return {name: self.condition.factor * value for name, value in gradients.items()}
