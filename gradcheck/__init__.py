"""gradcheck: is this gradient right, and if not, what is wrong with it?"""

from gradcheck.api import assert_gradients, check
from gradcheck.compare.verdict import Block, Worst
from gradcheck.errors import GradientMismatch, UsageError
from gradcheck.finding import Finding
from gradcheck.network import MLP
from gradcheck.report.model import Report
from gradcheck.sampling import Coverage
from gradcheck.version import __version__

__all__ = [
    "MLP",
    "Block",
    "Coverage",
    "Finding",
    "GradientMismatch",
    "Report",
    "UsageError",
    "Worst",
    "__version__",
    "assert_gradients",
    "check",
]
