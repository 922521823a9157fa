"""gradcheck: is this gradient right, and if not, what is wrong with it?

Each public name is loaded when it is first used, so that importing the package costs nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from gradcheck.version import __version__ as __version__

if TYPE_CHECKING:
    from gradcheck.api import assert_gradients as assert_gradients
    from gradcheck.api import assert_layer as assert_layer
    from gradcheck.api import assert_step as assert_step
    from gradcheck.api import check as check
    from gradcheck.api import check_layer as check_layer
    from gradcheck.api import check_step as check_step
    from gradcheck.api import repair as repair
    from gradcheck.casefiles import Case as Case
    from gradcheck.casefiles import HessianCase as HessianCase
    from gradcheck.casefiles import JacobianCase as JacobianCase
    from gradcheck.casefiles import LayerCase as LayerCase
    from gradcheck.casefiles import StepCase as StepCase
    from gradcheck.casefiles import case as case
    from gradcheck.compare.block import Block as Block
    from gradcheck.compare.block import Worst as Worst
    from gradcheck.errors import GradientMismatch as GradientMismatch
    from gradcheck.errors import UsageError as UsageError
    from gradcheck.finding import Finding as Finding
    from gradcheck.matrices import check_hessian as check_hessian
    from gradcheck.matrices import check_jacobian as check_jacobian
    from gradcheck.mending.model import Patch as Patch
    from gradcheck.mending.model import Repair as Repair
    from gradcheck.network import MLP as MLP
    from gradcheck.optimize import check_least_squares as check_least_squares
    from gradcheck.optimize import check_minimize as check_minimize
    from gradcheck.report.model import Report as Report
    from gradcheck.sampling import Coverage as Coverage
    from gradcheck.user.wrapping import parameters as parameters

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
__all__ = ["__version__", *_HOME_OF]


def __getattr__(name: str) -> Any:
    if name not in _HOME_OF:
        raise AttributeError(f"module 'gradcheck' has no attribute {name!r}")
    value = getattr(import_module(f"gradcheck.{_HOME_OF[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
