"""The core: a small multi-layer perceptron whose gradients are written by hand."""

from gradcheck.network.activations import ACTIVATIONS, PUBLIC_ACTIVATIONS
from gradcheck.network.layouts import LAYOUTS
from gradcheck.network.losses import LOSSES, PUBLIC_LOSSES
from gradcheck.network.mlp import MLP, Training
from gradcheck.network.passes import Trace

__all__ = [
    "ACTIVATIONS",
    "LAYOUTS",
    "LOSSES",
    "MLP",
    "PUBLIC_ACTIVATIONS",
    "PUBLIC_LOSSES",
    "Trace",
    "Training",
]
