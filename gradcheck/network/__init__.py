"""The core: a small network with its gradients written by hand."""

from gradcheck.network.activations import ACTIVATIONS
from gradcheck.network.layouts import LAYOUTS
from gradcheck.network.losses import LOSSES
from gradcheck.network.mlp import MLP, Trace
from gradcheck.network.training import Training

__all__ = ["ACTIVATIONS", "LAYOUTS", "LOSSES", "MLP", "Trace", "Training"]
