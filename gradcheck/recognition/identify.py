"""Identifies the user's network: the one that they named, or the one that is recognised."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import islice, pairwise

import numpy as np

from gradcheck.network import MLP
from gradcheck.network.losses import PUBLIC_LOSSES
from gradcheck.recognition.data import as_rows, as_targets
from gradcheck.recognition.layers import Layer, group_layers
from gradcheck.recognition.losses import Losses, measure
from gradcheck.recognition.network_view import NetworkView
from gradcheck.recognition.reading import read
from gradcheck.recognition.search import Candidate, recognise
from gradcheck.recognition.structures import guessed, structures
from gradcheck.recognition.tape import follow
from gradcheck.trace import FORGIVEN
from gradcheck.user.problem import Problem

LARGEST, LARGEST_FOLLOWED = 5 * 10**6, 10**6
"""Largest numbers of parameters with which a network is searched for at all, and with which the
loss is followed, which takes several times their memory."""

MOST_GUESSES = 4

SLOWEST = 2.0
"""Seconds that a loss may take if it is to be followed."""


@dataclass(frozen=True)
class Identity:
    """The user's network, as far as it is known.

    Attributes:
        layers: the layers by the names and shapes of the blocks.
        view: the network that was named or recognised, or None.
        losses: the user's losses that confirm it.
        note: why a network that the user named was not used, or None.
    """

    layers: tuple[Layer, ...]
    view: NetworkView | None = None
    losses: Losses | None = None
    note: str | None = None
    evaluations: int = 0


def identify(problem: Problem, noise: float, seconds: float, rng: np.random.Generator) -> Identity:
    """Identifies the network that the user named, or the one that the loss computes.

    `noise` is the relative noise of the loss; `seconds` is the time of one evaluation.
    """
    names, shapes = problem.parameters.names, problem.parameters.shapes
    layers = group_layers(names, shapes) if problem.layered else ()
    size = sum(value.size for value in problem.parameters.values)
    if problem.layer is not None or not problem.layered or size > LARGEST:
        return Identity(layers)
    losses, note, calls = None, None, 0
    if problem.network is not None:
        losses, calls = measure(problem, noise, rng)
        if losses is None:
            return Identity(layers, evaluations=calls)
        view, note = _named(problem, problem.network, layers, losses)
        if view is not None:
            return Identity(layers, view, losses.compared(view), evaluations=calls)
    followed = int(seconds <= SLOWEST and size < LARGEST_FOLLOWED)
    candidates = _read(problem) if followed else None
    if candidates is None:
        candidates = list(islice(guessed(problem, layers), MOST_GUESSES))
    if losses is None and candidates:
        losses, calls = measure(problem, noise, rng)
    if losses is None:
        return Identity(layers, evaluations=followed + calls)
    view = recognise(candidates, losses)
    losses = losses if view is None else losses.compared(view)
    return Identity(layers, view, losses, note, followed + calls)


def _read(problem: Problem) -> list[Candidate] | None:
    """The network on the tape of the loss, if there is one; None if the loss cannot be followed."""
    try:
        tape = follow(problem)
        candidate = None if tape is None else read(problem, tape)
    except RecursionError:  # the objects that the functions reach are nested too deeply
        return None
    except FORGIVEN:
        return None
    finally:
        problem.parameters.restore()
    if candidate is not None:
        return [candidate]
    return [] if tape is not None and tape.whole else None


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
    """The named network with the user's blocks and data, or the reason why it does not fit."""
    sizes = network.sizes
    turned = network.layout == "columns"
    placed = next(
        (
            structure
            for structure in structures(problem.parameters, layers, sizes[0], sizes[-1])
            if len(structure) == len(sizes) - 1
            and all(
                (place.n_in, place.n_out) == pair and (place.turned == turned or pair[0] == pair[1])
                for place, pair in zip(structure, pairwise(sizes), strict=True)
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
    """The network that the user named, unconfirmed: for a loss that is nan or infinite."""
    if problem.network is None or problem.inputs is None or problem.targets is None:
        return None
    names, shapes = problem.parameters.names, problem.parameters.shapes
    view = from_network(problem, problem.network, group_layers(names, shapes))
    return None if isinstance(view, str) else view
