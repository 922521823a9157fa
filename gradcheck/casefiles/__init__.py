"""Case files: checks that are kept in plain Python files and run by name."""

from gradcheck.casefiles.cases import (
    Case,
    HessianCase,
    JacobianCase,
    LayerCase,
    StepCase,
    case,
)
from gradcheck.casefiles.loading import CaseEntry, load_file, mentions_cases
from gradcheck.casefiles.targets import bundled_files, bundled_folder, find_cases

__all__ = [
    "Case",
    "CaseEntry",
    "HessianCase",
    "JacobianCase",
    "LayerCase",
    "StepCase",
    "bundled_files",
    "bundled_folder",
    "case",
    "find_cases",
    "load_file",
    "mentions_cases",
]
