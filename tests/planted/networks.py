"""Random networks with data, for the tests that plant bugs."""

from dataclasses import dataclass

import numpy as np

import gradcheck
from gradcheck.network import MLP

HIDDEN = ("relu", "leaky_relu", "tanh", "sigmoid", "gelu", "elu", "softplus")
OUTPUTS = (
    ("linear", "squared_error_sum"),
    ("linear", "half_squared_error_sum"),
    ("tanh", "squared_error_mean"),
    ("linear", "half_squared_error_mean"),
    ("sigmoid", "squared_error_mean_all"),
    ("softplus", "half_squared_error_mean_all"),
    ("sigmoid", "binary_cross_entropy"),
    ("softmax", "categorical_cross_entropy"),
)
BATCH_SIZES = (1, 2, 5, 32)


@dataclass
class Setup:
    network: MLP
    params: dict[str, np.ndarray]
    inputs: np.ndarray
    targets: np.ndarray


def random_setup(seed: int) -> Setup:
    rng = np.random.default_rng(seed)
    depth = int(rng.integers(1, 4))
    sizes = [int(size) for size in rng.integers(2, 7, depth + 2)]
    if rng.random() < 0.3:
        sizes = [4] * len(sizes)
    hidden = [str(name) for name in rng.choice(HIDDEN, depth)]
    output, loss = OUTPUTS[seed % len(OUTPUTS)]
    network = MLP(
        sizes,
        [*hidden, output],
        loss,
        ("rows", "columns")[seed // 8 % 2],
        l2=float(rng.choice([0.0, 0.1])),
    )
    layout, m = network.arrangement, BATCH_SIZES[seed // 2 % 4]
    inputs = rng.standard_normal(layout.data_shape(m, sizes[0]))
    targets = rng.uniform(0.1, 0.9, layout.data_shape(m, sizes[-1]))
    if loss == "categorical_cross_entropy":
        targets = targets / targets.sum(axis=layout.unit_axis, keepdims=True)
    return Setup(network, network.init(seed), inputs, targets)


def checked(setup: Setup, gradient, **options):
    """The report on the loss of a network and a gradient of its parameters."""
    net, data = setup.network, (setup.inputs, setup.targets)
    return gradcheck.check(
        lambda params: net.loss(params, *data),
        setup.params,
        gradient,
        inputs=setup.inputs,
        targets=setup.targets,
        **options,
    )
