"""gradcheck: is this gradient right, and if not, what is wrong with it?

The names are loaded when they are first used, so that importing the package costs nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from gradcheck.version import __version__

if TYPE_CHECKING:
    from gradcheck.api import (
        assert_gradients,
        assert_layer,
        assert_step,
        check,
        check_layer,
        check_step,
        repair,
    )
    from gradcheck.casefiles import Case, HessianCase, JacobianCase, LayerCase, StepCase, case
    from gradcheck.compare.block import Block, Worst
    from gradcheck.errors import GradientMismatch, UsageError
    from gradcheck.finding import Finding
    from gradcheck.matrices import check_hessian, check_jacobian
    from gradcheck.mending.model import Patch, Repair
    from gradcheck.network import MLP
    from gradcheck.optimize import check_least_squares, check_minimize
    from gradcheck.report.model import Report
    from gradcheck.sampling import Coverage
    from gradcheck.user.wrapping import parameters

__all__ = [
    "MLP",
    "Block",
    "Case",
    "Coverage",
    "Finding",
    "GradientMismatch",
    "HessianCase",
    "JacobianCase",
    "LayerCase",
    "Patch",
    "Repair",
    "Report",
    "StepCase",
    "UsageError",
    "Worst",
    "__version__",
    "assert_gradients",
    "assert_layer",
    "assert_step",
    "case",
    "check",
    "check_hessian",
    "check_jacobian",
    "check_layer",
    "check_least_squares",
    "check_minimize",
    "check_step",
    "parameters",
    "repair",
]

_HOMES = {
    "api": (
        "assert_gradients",
        "assert_layer",
        "assert_step",
        "check",
        "check_layer",
        "check_step",
        "repair",
    ),
    "casefiles": ("Case", "HessianCase", "JacobianCase", "LayerCase", "StepCase", "case"),
    "compare.block": ("Block", "Worst"),
    "errors": ("GradientMismatch", "UsageError"),
    "finding": ("Finding",),
    "mending.model": ("Patch", "Repair"),
    "matrices": ("check_hessian", "check_jacobian"),
    "network": ("MLP",),
    "optimize": ("check_least_squares", "check_minimize"),
    "report.model": ("Report",),
    "sampling": ("Coverage",),
    "user.wrapping": ("parameters",),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> Any:
    if name not in _HOME_OF:
        raise AttributeError(f"module 'gradcheck' has no attribute {name!r}")
    value = getattr(import_module(f"gradcheck.{_HOME_OF[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
