"""Case files: plain Python files that hold checks, which are run by name."""

from gradcheck.casefiles.cases import Case, HessianCase, JacobianCase, LayerCase, StepCase, case
from gradcheck.casefiles.loading import (
    CaseEntry,
    load_file,
    mentions_cases,
    what_of_checks,
    what_to_write,
)
from gradcheck.casefiles.recorded import made_checks
from gradcheck.casefiles.targets import (
    CaseFile,
    bundled_files,
    bundled_folder,
    find_cases,
    find_files,
    kept_apart,
)

__all__ = [
    "Case",
    "CaseEntry",
    "CaseFile",
    "HessianCase",
    "JacobianCase",
    "LayerCase",
    "StepCase",
    "bundled_files",
    "bundled_folder",
    "case",
    "find_cases",
    "find_files",
    "kept_apart",
    "load_file",
    "made_checks",
    "mentions_cases",
    "what_of_checks",
    "what_to_write",
]
