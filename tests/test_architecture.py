"""The plan of the house: imports run one way, and each thing is where it says it is."""

import ast
import inspect
import subprocess
import sys
from pathlib import Path

import pytest

import gradcheck
from gradcheck.diagnose.rules import RULES

PACKAGE = Path(gradcheck.__file__).parent
MODULES = sorted(
    path for path in PACKAGE.rglob("*.py") if "cases" not in path.relative_to(PACKAGE).parts
)

FLOORS = (
    ("version", "errors", "arrays", "files", "isolation", "words", "sandbox"),
    ("network", "numeric"),
    ("progress", "options"),
    ("user", "sampling"),
    ("finding",),
    ("recognition", "trace"),
    ("preflight", "compare"),
    ("diagnose",),
    ("mending",),
    ("pictures",),
    ("report",),
    ("pipeline",),
    ("jacobians", "products"),
    ("hessians",),
    ("api",),
    ("matrices",),
    ("optimize",),
    ("casefiles",),
    ("script",),
    ("running", "train"),
    ("commands", "pytest_plugin"),
    ("cli",),
    ("__main__", "__init__"),
)
TRACE_FLOORS = (
    "record",
    "adjoints",
    "locating",
    "wording",
    "fault",
    "causes",
    "faults",
    "find",
    "__init__",
)
"""The rooms and modules of `trace/`, from the ground up."""

TREES = {}
EXTRAS = {"pytest", "hypothesis", "matplotlib", "jinja2", "joblib", "numba", "torch", "jax"}


@pytest.fixture(scope="module", autouse=True)
def trees():
    TREES.update((path, ast.parse(path.read_text(encoding="utf-8"))) for path in MODULES)


def room(path):
    return path.relative_to(PACKAGE).with_suffix("").parts[0]


def floor(name):
    return next(number for number, rooms in enumerate(FLOORS) if name in rooms)


def imports(tree, when_loaded=False):
    """The modules that a file imports, those for type checkers alone left out.

    With `when_loaded`, without those that a function imports when it is called.
    """
    if isinstance(tree, ast.Import):
        yield from (alias.name for alias in tree.names)
    elif isinstance(tree, ast.ImportFrom) and tree.module:
        yield tree.module
    elif isinstance(tree, ast.If) and "TYPE_CHECKING" in ast.unparse(tree.test):
        return
    elif not (when_loaded and isinstance(tree, ast.FunctionDef)):
        for inner in ast.iter_child_nodes(tree):
            if isinstance(inner, ast.stmt | ast.ExceptHandler | ast.match_case):
                yield from imports(inner, when_loaded)


def test_imports_run_one_way():
    for path, tree in TREES.items():
        own = room(path)
        used = {module.split(".")[1] for module in imports(tree) if module[:10] == "gradcheck."}
        assert all(floor(one) <= floor(own) for one in used), f"{path} imports from above"
        assert own not in ("network", "numeric") or used <= {own, "errors", "words"}, path


def test_the_rooms_of_the_trace_are_in_one_line():
    for path, tree in TREES.items():
        if room(path) == "trace":
            own = path.relative_to(PACKAGE / "trace").with_suffix("").parts[0]
            modules = [module.split(".") for module in imports(tree)]
            used = {parts[2] for parts in modules if parts[1:2] == ["trace"] and parts[2:]}
            above = used - set(TRACE_FLOORS[: TRACE_FLOORS.index(own) + 1])
            assert not above, f"{path} imports from {above}"


def test_no_extra_is_needed():
    for path, tree in TREES.items():
        own = {"pytest"} if path.stem == "pytest_plugin" else set()
        loaded = {name.partition(".")[0] for name in imports(tree, when_loaded=True)}
        assert not loaded & (EXTRAS - own), path


def test_only_the_command_line_prints():
    printing = {path for path, tree in TREES.items() if any(map(is_print, ast.walk(tree)))}
    assert all(path.name == "cli.py" or path.parent.name == "commands" for path in printing)


def is_print(node):
    return isinstance(node, ast.Call) and getattr(node.func, "id", None) == "print"


def test_the_list_of_rules_is_the_folder():
    files = {path.stem for path in (PACKAGE / "diagnose" / "rules").glob("*.py")} - {"__init__"}
    assert {rule.name.replace("-", "_") for rule in RULES} == files
    assert len({rule.code for rule in RULES}) == len(RULES)


def test_a_check_loads_no_scipy_and_no_extra():
    code = (
        "import sys, numpy as np, gradcheck;"
        "gradcheck.check(lambda w: float(w @ w), np.ones(3), lambda w: 2 * w);"
        "print(sorted({name.partition('.')[0] for name in sys.modules}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(ast.literal_eval(done.stdout))
    assert not loaded & (EXTRAS | {"scipy"})


def test_every_public_name_is_there():
    for name in gradcheck.__all__:
        assert getattr(gradcheck, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'chekc'"):
        _ = gradcheck.chekc


def test_no_public_name_is_a_module():
    """Importing a submodule sets it as an attribute of the package, in the place of such a name."""
    modules = {path.relative_to(PACKAGE).parts[0].removesuffix(".py") for path in MODULES}
    assert not modules & set(gradcheck.__all__)


def test_repair_is_a_function_whatever_is_imported():
    from gradcheck.mending import process  # noqa: F401  # what would shadow it

    assert inspect.isfunction(gradcheck.repair)
    assert gradcheck.repair.__doc__.startswith("Searches your source")


LONGEST_FILE, LONGEST_FUNCTION, MOST_PARAMETERS = 300, 60, 7
DOORS = {"check", "check_jacobian", "check_least_squares", "check_minimize", "check_step", "train"}
"""Public calls, whose arguments are the contract, and each is explained."""

UNGROUPED = {"refine", "screen", "_along"}
"""Functions of the engine whose arguments are still to be grouped."""


def test_a_file_is_one_room():
    for path in MODULES:
        assert path.read_text(encoding="utf-8").count("\n") <= LONGEST_FILE, path


def test_a_function_does_one_thing():
    for node in (node for tree in TREES.values() for node in ast.walk(tree)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            if node.name not in DOORS:
                assert node.end_lineno - node.lineno < LONGEST_FUNCTION, node.name
            names = [argument.arg for argument in (*node.args.args, *node.args.kwonlyargs)]
            count = len([name for name in names if name not in ("self", "cls")])
            assert count <= MOST_PARAMETERS or node.name in DOORS | UNGROUPED, node.name
