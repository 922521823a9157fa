"""The user's network: the one that they named, or one that is recognised."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from gradcheck.network import MLP
from gradcheck.network.losses import PUBLIC_LOSSES
from gradcheck.recognition.data import as_rows, as_targets
from gradcheck.recognition.layers import Layer, group_layers
from gradcheck.recognition.network_view import NetworkView
from gradcheck.recognition.probes import Losses, Prober, measure
from gradcheck.recognition.search import has_candidates, recognise
from gradcheck.recognition.structures import structures
from gradcheck.user.problem import Problem

LARGEST = 5 * 10**6
"""Parameters beyond which no network is looked for: it takes their memory several times."""


@dataclass(frozen=True)
class Identity:
    """What is known of the user's network.

    `losses` are the user's at the points that told so, `note` says why a network that they named
    was not used, `searched` whether the unusual was tried too.
    """

    layers: tuple[Layer, ...]
    view: NetworkView | None = None
    losses: Losses | None = None
    note: str | None = None
    evaluations: int = 0
    searched: bool = False


def identify(problem: Problem, noise: float, rng: np.random.Generator) -> Identity:
    """The network that the user named, or one of the usual ones; `noise` is that of the loss."""
    names, shapes = problem.parameters.names, problem.parameters.shapes
    layers = group_layers(names, shapes) if problem.layered else ()
    size = sum(value.size for value in problem.parameters.values)
    if problem.layer is not None or not problem.layered or size > LARGEST:
        return Identity(layers, searched=True)
    if problem.network is None and not has_candidates(problem, layers):
        return Identity(layers, searched=True)
    losses, calls = measure(problem, noise, rng)
    if losses is None:
        return Identity(layers, evaluations=calls, searched=True)
    view, note = None, None
    if problem.network is not None:
        view, note = _named(problem, problem.network, layers, losses)
    if view is None:
        view = recognise(problem, layers, losses, None)
    told = losses if view is None else losses.told(view)
    return Identity(layers, view, told, note, calls)


def search_further(identity: Identity, problem: Problem, rng: np.random.Generator) -> Identity:
    """The same where the network is known already; else one that is found among the unusual."""
    if identity.view is not None or identity.losses is None or identity.searched:
        return identity
    prober = Prober(problem, identity.losses.tolerance, rng)
    view = recognise(problem, identity.layers, identity.losses, prober)
    calls = identity.evaluations + prober.calls
    losses = identity.losses if view is None else identity.losses.told(view)
    return replace(identity, view=view, losses=losses, evaluations=calls, searched=True)


def _named(
    problem: Problem, network: MLP, layers: tuple[Layer, ...], losses: Losses
) -> tuple[NetworkView | None, str | None]:
    if problem.inputs is None or problem.targets is None:
        return None, "network was given without inputs and targets, so it could not be used"
    view = from_network(problem, network, layers)
    if isinstance(view, str):
        return None, view
    for point, loss in zip(losses.points, losses.values, strict=True):
        of_network = view.loss(point)
        if not abs(of_network - loss) <= losses.tolerance * max(abs(loss), 1e-300):
            return None, (
                f"the network given ({network}) has loss {of_network:.9g} where yours has "
                f"{loss:.9g}, so the diagnosis did not use it"
            )
    return view, None


def from_network(problem: Problem, network: MLP, layers: tuple[Layer, ...]) -> NetworkView | str:
    """The network that the user named on their blocks and data, or why it does not fit them."""
    sizes = network.sizes
    turned = network.layout == "columns"
    placed = next(
        (
            found
            for found in structures(problem.parameters, layers, sizes[0], sizes[-1])
            if len(found) == len(sizes) - 1
            and all(
                (place.n_in, place.n_out) == pair and (place.turned == turned or pair[0] == pair[1])
                for place, pair in zip(found, pairwise(sizes), strict=True)
            )
        ),
        None,
    )
    if placed is None:
        return f"the parameters do not have the shapes of the network given ({network})"
    placed = tuple(replace(place, turned=turned) for place in placed)
    inputs = problem.inputs if problem.inputs is None or not turned else problem.inputs.T
    rows = list(as_rows(np.empty(0) if inputs is None else inputs, sizes[0]))
    labels = np.empty(0) if problem.targets is None else problem.targets
    columns = turned and labels.ndim == 2
    wanted = (
        list(as_targets(labels.T if columns else labels, len(rows[0]), sizes[-1])) if rows else []
    )
    if not rows or not wanted:
        return f"inputs and targets do not have the shapes of the network given ({network})"
    loss_function, reduction = PUBLIC_LOSSES[network.loss_name]
    return NetworkView(
        placed,
        tuple(network.activation(layer) for layer in network.layers),
        rows[0],
        wanted[0],
        loss_function,
        reduction.scale(len(rows[0]), sizes[-1]),
        network.l2 / 2,
    )


def untied_view(problem: Problem) -> NetworkView | None:
    """The network that the user named, whatever its loss is; for where the user's is no number."""
    if problem.network is None or problem.inputs is None or problem.targets is None:
        return None
    names, shapes = problem.parameters.names, problem.parameters.shapes
    view = from_network(problem, problem.network, group_layers(names, shapes))
    return None if isinstance(view, str) else view
