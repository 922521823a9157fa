"""How thoroughly to check, and what the user says of a script."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from numbers import Integral
from typing import TYPE_CHECKING, Any, Literal, TypedDict

from gradcheck.errors import UsageError
from gradcheck.words import with_nearest

if TYPE_CHECKING:
    from gradcheck.network import MLP

Entries = Literal["all", "auto"] | int
"""Which entries are perturbed: all of them, what fits in the budget, or so many per block."""

REPAIR_SECONDS = 10.0
"""What a search for a repair takes at most, where no other number is given."""

CASE_SECONDS = 60.0
"""What a case, or a script, takes at most, where no other number is given."""


ELSEWHERE = (
    (
        "eps epsilon h delta step step_size stepsize abs_step rel_step diff_step",
        "every entry has a step of its own, with an error bound: there is none to choose",
    ),
    (
        "atol tol tolerance abs_tol absolute_tolerance",
        "every difference has an error bound: no tolerance is needed; rtol=1e-3 accepts a relative "
        "error, on top of it",
    ),
    (
        "rel_tol relative_tolerance max_err",
        "it is called rtol, and is none but for errors to accept",
    ),
    ("nondet_tol", "a gradient that differs from call to call is told without it"),
    (
        "check_forward_ad check_backward_ad mode modes",
        "check_layer checks reverse mode; forward mode is checked as a Jacobian, "
        "check_jacobian(f, x, torch.func.jacfwd(f)) or jax.jacfwd(f)",
    ),
    (
        "check_batched_grad check_batched_forward_grad",
        "a batched function is checked as what it is, check_layer(torch.vmap(f), None, inputs)",
    ),
    (
        "check_undefined_grad",
        "a layer of several outputs is asked for each alone without it, the others undefined",
    ),
    ("check_sparse_nnz masked", "sparse inputs are not taken: make them sparse inside"),
    (
        "fast_mode direction",
        "many entries are moved together along random directions first; entries= says how many "
        "are moved one by one",
    ),
    (
        "directions",
        "check has it, for gradients; write a Jacobian or Hessian on a manifold as one of the "
        "coordinates v of a tangent, at v = 0: check_hessian(lambda v: loss(retract(x, v)), ...)",
    ),
    ("method scheme", "differences are central, and one-sided at bounds and edges: none to choose"),
    ("raise_exception", "check and check_layer return the report; the assert_ functions raise"),
    ("rng random_state key generator", "it is called seed, and is a whole number"),
    ("grad_outputs y_grad gy", "check_layer calls it upstream"),
    ("no_grads", "leave what is not to be checked out of the parameters"),
    ("fprime gradient jac", "check calls it grad"),
)
"""Arguments of other checkers, and what stands for them here."""


@dataclass(frozen=True)
class Edits:
    """How many edits a search for a repair may try: a budget that no machine's speed changes."""

    most: int


@dataclass(frozen=True)
class Options:
    """How thoroughly to check; the arguments of `check` by their names.

    Raises:
        UsageError: a value makes no sense.
    """

    entries: Entries = "auto"
    budget: float = 10.0
    rtol: float | None = None
    workers: int = 1
    seed: int = 0
    allow: tuple[str, ...] = ()
    diagnose: bool = True
    repair: float | Edits | None = None
    noise: float | None = None

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> Options:
        """Those of a call."""
        known = [field.name for field in fields(cls)]
        for name in given:
            if name not in known:
                raise unknown_argument(f"there is no argument {name!r}", name, known)
        return cls(**{**given, "allow": tuple(given.get("allow", ()))})

    def __post_init__(self) -> None:
        entries = self.entries
        whole = isinstance(entries, int) and not isinstance(entries, bool) and entries > 0
        if not whole and entries not in ("all", "auto"):
            raise UsageError(
                f"entries is {entries!r}; it must be 'all', 'auto' or a positive whole number"
            )
        if not isinstance(self.budget, int | float) or not self.budget > 0:
            raise UsageError(f"budget is {self.budget!r}; it must be a positive number of seconds")
        if self.rtol is not None and not (
            isinstance(self.rtol, int | float) and 0 <= self.rtol < 1
        ):
            raise UsageError(f"rtol is {self.rtol!r}; it must be a number, at least 0 and below 1")
        repair = self.repair.most if isinstance(self.repair, Edits) else self.repair
        if repair is not None and not (isinstance(repair, int | float) and repair > 0):
            raise UsageError(f"repair is {self.repair!r}; it must be a positive number of seconds")
        if self.noise is not None and not (
            isinstance(self.noise, int | float) and 0 <= self.noise < float("inf")
        ):
            raise UsageError(f"noise is {self.noise!r}; it must be a number, at least 0")
        if not isinstance(self.workers, int) or self.workers < 1:
            raise UsageError(f"workers is {self.workers!r}; it must be at least 1")
        if not isinstance(self.seed, Integral) or self.seed < 0:
            raise UsageError(f"seed is {self.seed!r}; it must be a whole number, at least 0")


def unknown_argument(sentence: str, name: str, known: Iterable[str]) -> UsageError:
    """The error for an argument that a function does not have, which another checker may have."""
    there = next((what for names, what in ELSEWHERE if name in names.split()), "")
    return UsageError(f"{sentence}: {there}" if there else with_nearest(sentence, name, known))


@dataclass(frozen=True)
class Wishes:
    """The user's statements about a script; None where gradcheck is to find out.

    Attributes:
        loss: the name or the line of the loss.
        params: the names of the parameters.
        rate: the learning rate.
        seconds: how long the check may take.
    """

    loss: str | None = None
    params: tuple[str, ...] | None = None
    rate: float | None = None
    seconds: float = field(default=CASE_SECONDS, compare=False)

    @classmethod
    def of(
        cls,
        loss: str | None,
        params: str | None,
        rate: float | None,
        seconds: float = CASE_SECONDS,
    ) -> Wishes:
        """Return the options of a command line, where names are separated by commas."""
        names = None if params is None else tuple(name.strip() for name in params.split(","))
        return cls(loss, names, rate, seconds)


class Thoroughness(TypedDict, total=False):
    """The arguments that every door takes by name."""

    entries: Entries
    budget: float
    rtol: float | None
    workers: int
    seed: int
    allow: Iterable[str]
    diagnose: bool
    repair: float | Edits | None
    noise: float | None


class Given(Thoroughness, total=False):
    """Those that say more of the user's functions and data."""

    args: tuple[Any, ...]
    kwargs: Mapping[str, Any] | None
    inputs: Any
    targets: Any
    network: MLP | None


class OfCheck(Given, total=False):
    """Those of `check`."""

    bounds: Any
    batched: bool
    directions: Any
    order: int


class OfLayer(Thoroughness, total=False):
    """Those of `check_layer`."""

    order: int


class OfMatrix(Thoroughness, total=False):
    """Those of `check_jacobian` and `check_hessian`."""

    args: tuple[Any, ...]
    kwargs: Mapping[str, Any] | None
    bounds: Any
    sparsity: Any
