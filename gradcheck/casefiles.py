"""Case files: checks that are kept in plain Python files and run by name."""

from __future__ import annotations

import difflib
import importlib.util
import inspect
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, fields, replace
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar, overload

from gradcheck.api import check, check_layer, check_step
from gradcheck.errors import UsageError
from gradcheck.options import Options
from gradcheck.report.model import Report
from gradcheck.user.calls import UserCodeError, call, quietly

Maker = Callable[[], "Case"]

VERDICTS = ("pass", "fail", "inconclusive")
MARK = "__gradcheck_case__"


class Case:
    """One check, with exactly the arguments of `gradcheck.check`, and what is expected of it.

    Args:
        arguments: those of `check`, by position.
        expect: "pass", "fail" or "inconclusive"; or a dict with any of "verdict", "blocks" (the
            names of exactly those that fail) and "rules" (codes or names of exactly those found).
        options: the arguments of `check` by name.

    Raises:
        UsageError: an argument that is not one of `check`.
    """

    function: ClassVar[Callable[..., Report]] = staticmethod(check)

    def __init__(
        self, *arguments: Any, expect: str | Mapping[str, Any] | None = None, **options: Any
    ) -> None:
        signature = inspect.signature(self.function)
        known = [*signature.parameters, *(field.name for field in fields(Options))]
        kind = type(self).__name__
        for name in options:
            if name not in known:
                near = difflib.get_close_matches(name, known, n=1)
                hint = f"; did you mean {near[0]}?" if near else ""
                raise UsageError(f"{kind} takes no argument {name!r}{hint}")
        try:
            signature.bind(*arguments, **options)
        except TypeError as error:
            raise UsageError(f"{kind}: {error}") from None
        self.arguments = arguments
        self.expect = expect
        self.options = options

    def check(self, **overrides: Any) -> Report:
        """The report, with some arguments replaced."""
        return self.function(*self.arguments, **{**self.options, **overrides})


class LayerCase(Case):
    """One check of a layer, with exactly the arguments of `gradcheck.check_layer`."""

    function: ClassVar[Callable[..., Report]] = staticmethod(check_layer)


class StepCase(Case):
    """One check of an update, with exactly the arguments of `gradcheck.check_step`."""

    function: ClassVar[Callable[..., Report]] = staticmethod(check_step)


@dataclass(frozen=True)
class Expectation:
    """What the author of a case says must come out.

    Attributes:
        verdict: of the report.
        blocks: the names of exactly those blocks that fail, or None where nothing is said.
        rules: the codes or names of exactly those rules that are found, or None.
    """

    verdict: str = "pass"
    blocks: tuple[str, ...] | None = None
    rules: tuple[str, ...] | None = None

    def differences(self, report: Report) -> Iterator[str]:
        """What did not come out as expected, a sentence each."""
        if report.verdict != self.verdict:
            yield f"expected {self.verdict}, came out as {report.verdict}"
        failed = [block.name for block in report.blocks if block.failed]
        if self.blocks is not None and set(failed) != set(self.blocks):
            yield f"expected wrong blocks {_listed(self.blocks)}, found {_listed(failed)}"
        if self.rules is not None:
            found = [{finding.code, finding.rule} for finding in report.findings]
            unmatched = [rule for rule in self.rules if not any(rule in names for names in found)]
            errors = [
                {finding.code, finding.rule}
                for finding in report.findings
                if finding.severity == "error"
            ]
            surplus = [names for names in errors if not names & set(self.rules)]
            if unmatched or surplus:
                codes = [finding.code for finding in report.findings]
                yield f"expected rules {_listed(self.rules)}, found {_listed(codes)}"

    def plain(self) -> Any:
        """The expectation as it stands in JSON."""
        if self.blocks is None and self.rules is None:
            return self.verdict
        plain: dict[str, Any] = {"verdict": self.verdict}
        if self.blocks is not None:
            plain["blocks"] = list(self.blocks)
        if self.rules is not None:
            plain["rules"] = list(self.rules)
        return plain


@dataclass(frozen=True)
class CaseEntry:
    """A case function found in a file; it is called afresh for every check.

    Attributes:
        name: "xor:published".
        make: the function.
        expect: what the decorator says is expected, or None.
        summary: the first line of the function's docstring: the bug.
        network: the file's NETWORK, or "".
        source: the file's SOURCE, or "".
    """

    name: str
    make: Maker
    expect: str | Mapping[str, Any] | None
    summary: str = ""
    network: str = ""
    source: str = ""

    def build(self) -> tuple[Case, Expectation]:
        """The case, made anew, and what is expected of it.

        Raises:
            UserCodeError: the function raised.
            UsageError: it did not return a Case, or what is expected makes no sense.
        """
        with quietly():
            case = call(self.make, f"the case {self.name}")
        if not isinstance(case, Case):
            raise UsageError(
                f"the case {self.name} returned {type(case).__name__}; return a gradcheck.Case"
            )
        expect = self.expect if self.expect is not None else case.expect
        return case, parse_expectation("pass" if expect is None else expect)


@overload
def case(make: Maker) -> Maker: ...


@overload
def case(
    *, name: str | None = None, expect: str | Mapping[str, Any] | None = None
) -> Callable[[Maker], Maker]: ...


def case(
    make: Maker | None = None,
    *,
    name: str | None = None,
    expect: str | Mapping[str, Any] | None = None,
) -> Maker | Callable[[Maker], Maker]:
    """Marks a function that returns a `Case`: `@gradcheck.case`, or with a name and expectation."""

    def mark(function: Maker) -> Maker:
        setattr(function, MARK, (name or function.__name__, expect))
        return function

    return mark if make is None else mark(make)


def parse_expectation(expect: str | Mapping[str, Any]) -> Expectation:
    """What is expected, from how a case says it.

    Raises:
        UsageError: an unknown verdict or key.
    """
    if isinstance(expect, str):
        if expect not in VERDICTS:
            raise UsageError(f"expect is {expect!r}; it must be one of {', '.join(VERDICTS)}")
        return Expectation(expect)
    unknown = set(expect) - {"verdict", "blocks", "rules"}
    if unknown:
        raise UsageError(
            f"expect has unknown keys {sorted(unknown)}; it takes verdict, blocks and rules"
        )
    fails = expect.get("blocks") or expect.get("rules")
    expectation = parse_expectation(expect.get("verdict", "fail" if fails else "pass"))
    return replace(
        expectation,
        blocks=tuple(expect["blocks"]) if "blocks" in expect else None,
        rules=tuple(expect["rules"]) if "rules" in expect else None,
    )


def load_file(path: Path) -> list[CaseEntry]:
    """The cases of a file, in the order in which they are written.

    The file's folder is first on the import path while it loads, and the modules imported from
    there are forgotten afterwards, so that two folders may each hold a `model.py`.

    Raises:
        UsageError: the file does not import, or holds no case.
    """
    module = _load_module(path)
    entries = []
    for function in vars(module).values():
        mark = getattr(function, MARK, None)
        if mark is not None and callable(function):
            name, expect = mark
            entries.append(
                CaseEntry(
                    name=f"{path.stem}:{name}",
                    make=function,
                    expect=expect,
                    summary=_first_line(function.__doc__),
                    network=str(getattr(module, "NETWORK", "")),
                    source=str(getattr(module, "SOURCE", "")),
                )
            )
    if not entries:
        raise UsageError(f"{path} holds no case; mark a function with @gradcheck.case")
    return entries


def _load_module(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"gradcheck_case_{path.stem}", path)
    if spec is None or spec.loader is None:
        raise UsageError(f"{path} is not a Python file")
    module = importlib.util.module_from_spec(spec)
    with _importing_from(path.parent), quietly():
        sys.modules[module.__name__] = module
        try:
            call(spec.loader.exec_module, f"importing {path.name}", module)
        except UserCodeError as error:
            where = ""
            if error.raised.frames:
                where = f" ({error.raised.frames[-1].file}:{error.raised.frames[-1].line})"
            raise UsageError(
                f"{path} could not be imported: {error.raised.summary}{where}"
            ) from None
        finally:
            sys.modules.pop(module.__name__, None)
    return module


@contextmanager
def _importing_from(folder: Path) -> Iterator[None]:
    """The folder first on the import path; its modules are not shared with other folders."""
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


def bundled_folder() -> Path:
    """Where the bundled cases are: inside the installed package, or beside it in a checkout."""
    package = Path(__file__).resolve().parent
    inside = package / "cases"
    return inside if inside.is_dir() else package.parent / "cases"


def bundled_files() -> list[Path]:
    """The files of the bundled cases."""
    return sorted(path for path in bundled_folder().glob("*.py") if not path.name.startswith("_"))


def find_cases(targets: Iterable[str]) -> list[CaseEntry]:
    """The cases that the targets of a command line name; all bundled ones where there are none.

    Raises:
        UsageError: a target does not exist; the message has the nearest names.
    """
    wanted = list(targets)
    if not wanted:
        return [entry for path in bundled_files() for entry in load_file(path)]
    return [entry for target in wanted for entry in _find(target)]


def _find(target: str) -> list[CaseEntry]:
    file, name = _split(target)
    bundled = {path.stem: path for path in bundled_files()}
    if file in bundled and not Path(file).is_dir():
        return _named(load_file(bundled[file]), name, target)
    path = Path(file)
    if path.is_dir():
        return _from_folder(path)
    if path.is_file():
        return _named(load_file(path.resolve()), name, target)
    near = difflib.get_close_matches(file, bundled, n=2)
    hint = f"did you mean {' or '.join(near)}? " if near else ""
    raise UsageError(
        f"there is no case or file {file!r}; {hint}`gradcheck list` shows the bundled cases"
    )


def _split(target: str) -> tuple[str, str | None]:
    """`file.py:name` in two; the colon of a drive letter is not one."""
    file, colon, name = target.rpartition(":")
    if not colon or "/" in name or "\\" in name:
        return target, None
    return file, name


def _named(entries: list[CaseEntry], name: str | None, target: str) -> list[CaseEntry]:
    if name is None:
        return entries
    found = [entry for entry in entries if entry.name.partition(":")[2] == name]
    if found:
        return found
    names = [entry.name.partition(":")[2] for entry in entries]
    near = difflib.get_close_matches(name, names, n=1)
    hint = f"did you mean {near[0]}? " if near else ""
    raise UsageError(f"there is no case {target!r}; {hint}There are: {', '.join(names)}")


def mentions_cases(path: Path) -> bool:
    """Whether the text of a file speaks of `gradcheck.case`, so that loading it is worth while."""
    text = path.read_text(encoding="utf-8", errors="replace")
    return "gradcheck" in text and (".case" in text or "import case" in text)


def _from_folder(folder: Path) -> list[CaseEntry]:
    """The cases of all files in a folder that mention gradcheck.case; other files are not run."""
    entries = []
    for path in sorted(folder.resolve().rglob("*.py")):
        if mentions_cases(path):
            entries += load_file(path)
    if not entries:
        raise UsageError(f"no file in {folder} holds a case; mark a function with @gradcheck.case")
    return entries


def _first_line(text: str | None) -> str:
    return (text or "").strip().partition("\n")[0]


def _listed(names: Iterable[str]) -> str:
    return ", ".join(names) or "none"
