"""Load the cases of a file, with the file's folder first on the import path."""

from __future__ import annotations

import importlib.util
import inspect
import re
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from copy import copy
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

from gradcheck.casefiles.cases import MARK, Case, Expected, Maker
from gradcheck.casefiles.expectations import Expectation, parse_expectation
from gradcheck.casefiles.recorded import made_checks, recording
from gradcheck.errors import UsageError
from gradcheck.user.calls import UserCodeError, call, quietly

WRITTEN = r"@(?:gradcheck\.)?case\b(?:.*?name=[\"']([^\"']+))?.*\n(?:@.*\n)*def (\w+)"


@dataclass(frozen=True)
class CaseEntry:
    """A case function found in a file; it is called again for every check.

    Attributes:
        name: the file's stem and the name of the case, such as "xor:published".
        make: the function.
        expect: the expectation given to the decorator, or None.
        summary: the first line of the function's docstring, which describes the bug.
        network, source: the constants NETWORK and SOURCE of the file, or "".
        file: the path of the file.
    """

    name: str
    make: Maker
    expect: Expected
    summary: str = ""
    network: str = ""
    source: str = ""
    file: str = ""

    @property
    def variant(self) -> str:
        """The name of the case without the name of its file."""
        return self.name.partition(":")[2]

    def build(self) -> tuple[Case, Expectation]:
        """Make the case, and return it with its expectation."""
        with quietly():
            case = call(self.make, f"the case {self.name}")
        if not isinstance(case, Case):
            raise UsageError(
                f"the case {self.name} returned {type(case).__name__}; return a gradcheck.Case"
            )
        expect = self.expect if self.expect is not None else case.expect
        return case, parse_expectation("pass" if expect is None else expect)


def load_file(path: Path) -> list[CaseEntry]:
    """Return the cases of a file in the order of their definitions.

    While the file loads, its folder is first on the import path. Modules imported from there are
    forgotten afterwards, so that two folders may each hold a `model.py`.
    """
    if not mentions_cases(path) and made_checks(path):
        return _recorded(path)
    module = _load_module(path)
    functions = [one for one in vars(module).values() if callable(one) and hasattr(one, MARK)]
    entries = [
        CaseEntry(
            name=f"{path.stem}:{name}",
            make=function,
            expect=expect,
            summary=(function.__doc__ or "").strip().partition("\n")[0],
            network=str(getattr(module, "NETWORK", "")),
            source=str(getattr(module, "SOURCE", "")),
            file=str(path),
        )
        for function, (name, expect) in ((one, getattr(one, MARK)) for one in functions)
    ]
    if not entries:
        raise UsageError(f"{path} holds no case; {what_to_write(vars(module))}")
    return entries


def _recorded(path: Path) -> list[CaseEntry]:
    """Return the checks that a file without cases calls when it is run."""
    failure = None
    with recording() as checks:
        try:
            _load_module(path, "__main__")
        except UsageError as error:  # raised if the file uses the result of a check
            failure = error
    if not checks:
        raise failure or UsageError(f"{path}: {what_of_checks(path)}")
    lines = [line for line, _ in checks]
    names = [
        f"{path.stem}:{line}" + (f"-{lines[:number].count(line)}" if line in lines[:number] else "")
        for number, line in enumerate(lines)
    ]
    return [
        CaseEntry(name, partial(copy, case), None, file=str(path))
        for name, (_, case) in zip(names, checks, strict=True)
    ]


def what_of_checks(path: Path) -> str:
    """Return advice for a file that calls a check itself; "" for any other file."""
    check = made_checks(path)
    if check is None:
        return ""
    return (
        f"this file calls {check[0]} at line {check[1]}: run it with python, or put a "
        "@gradcheck.case in its place"
    )


def what_to_write(names: Mapping[str, Any]) -> str:
    """Return the code of a case to add to a file, with its own functions if their names tell."""
    functions = [
        name
        for name, value in names.items()
        if inspect.isfunction(value) and value.__module__ == names["__name__"]
    ]
    loss = next((one for one in functions if re.search("loss|cost|objective|error", one)), None)
    grad = next((one for one in functions if re.search("grad|backward|backprop|deriv", one)), None)
    if loss is None or grad is None:
        return "mark a function with @gradcheck.case"
    first, *others = inspect.signature(names[loss]).parameters or ["params"]
    more = f", args=({', '.join(others)},)" if others else ""
    if others and list(inspect.signature(names[grad]).parameters) != [first, *others]:
        return "mark a function with @gradcheck.case"
    return (
        "write into it\n\n    import gradcheck\n\n    @gradcheck.case\n    def mine():\n"
        f"        return gradcheck.Case({loss}, {first}, {grad}{more})   # {first}: where to check"
    )


def _load_module(path: Path, name: str = "") -> ModuleType:
    module_name = f"gradcheck_case_{path.stem}"
    spec = importlib.util.spec_from_file_location(name or module_name, path)
    if spec is None or spec.loader is None:
        raise UsageError(f"{path} is not a Python file")
    module = importlib.util.module_from_spec(spec)
    with _importing_from(path.parent), quietly():
        sys.modules[module_name] = module
        try:
            call(spec.loader.exec_module, f"importing {path.name}", module)
        except UserCodeError as error:
            raise UsageError(
                f"{path} could not be imported: {error.raised.summary_and_place}"
            ) from None
        finally:
            sys.modules.pop(module_name, None)
    return module


@contextmanager
def _importing_from(folder: Path) -> Iterator[None]:
    """Put the folder first on the import path; forget its modules when the context ends."""
    before = dict(sys.modules)
    sys.path.insert(0, str(folder))
    try:
        yield
    finally:
        sys.path.remove(str(folder))
        for name, module in list(sys.modules.items()):
            file = getattr(module, "__file__", None)
            if name not in before and file and folder in Path(file).resolve().parents:
                del sys.modules[name]


def written_names(path: Path) -> list[str]:
    """Return the names of the cases in the text of a file, which is not run."""
    text = path.read_text(encoding="utf-8", errors="replace") if mentions_cases(path) else ""
    return [named or own for named, own in re.findall(WRITTEN, text)]


def mentions_cases(path: Path) -> bool:
    """Whether the text of a file mentions `gradcheck.case`, so that it is worth loading."""
    text = path.read_text(encoding="utf-8", errors="replace")
    return "gradcheck" in text and (".case" in text or "import case" in text)
