"""The modules of its own that a script imports: marked as it is, and put back as it is."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from pathlib import Path
from types import CodeType, FunctionType, ModuleType
from typing import Any

from gradcheck.script.instrument import mark_more
from gradcheck.script.marks import Marked
from gradcheck.trace.record.ownership import is_users_object
from gradcheck.trace.record.places import is_users_file
from gradcheck.trace.record.sources import parsed

MOST_FOLDERS = 50


class Imported(MetaPathFinder):
    """Finds them, and marks them with hooks; `names` are their variables, by the modules' names."""

    def __init__(self, marked: Marked, hooks: dict[str, Any]) -> None:
        self.names: dict[str, dict[str, Any]] = {}
        self.marked = marked
        self.hooks = hooks

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """The module, if it is the user's own."""
        spec = PathFinder.find_spec(fullname, path, target)
        origin = str(spec.origin) if spec is not None else ""
        if spec is None or not origin.endswith(".py") or not is_users_file(origin):
            return None
        spec.loader = _Loader(fullname, origin, self)
        return spec

    def variables(self) -> dict[str, dict[str, Any]]:
        """Those of all modules, as they are now."""
        return {name: dict(own) for name, own in self.names.items()}


class _Loader(SourceFileLoader):
    def __init__(self, fullname: str, path: str, imported: Imported) -> None:
        super().__init__(fullname, path)
        self._imported = imported

    def get_code(self, fullname: str) -> CodeType:
        tree = ast.parse(self.get_data(self.path))
        mark_more(tree, self._imported.marked, fullname, Path(self.path).name)
        return compile(tree, self.path, "exec", dont_inherit=True)

    def exec_module(self, module: ModuleType) -> None:
        vars(module).update(self._imported.hooks)
        self._imported.names[module.__name__] = vars(module)
        super().exec_module(module)


def trees_beside(tree: ast.Module, folder: Path) -> list[ast.Module]:
    """Those of the user's modules that a script imports, and of these modules' packages.

    They are looked for in the folder of the script, the one around it, and those within.
    """
    homes = [folder, folder.parent, *sorted(folder.glob("*/"))[:MOST_FOLDERS]]
    found: dict[Path, ast.Module] = {}
    waiting = [(tree, folder)]
    while waiting:
        tree, own = waiting.pop()
        for name in _imported(tree):
            places = [home / name.replace(".", "/") for home in dict.fromkeys((own, *homes))]
            for path in (one for at in places for one in (Path(f"{at}.py"), *at.glob("*.py"))):
                if path not in found and path.is_file():
                    found[path] = parsed(path.read_text(encoding="utf-8", errors="replace"))
                    waiting.append((found[path], path.parent))
    return list(found.values())


def defined(names: dict[str, Any]) -> list[Any]:
    """The functions and the user's own classes among the variables of a module."""
    values = list(names.values())
    kinds = [one for one in values if isinstance(one, type) and is_users_object(one)]
    return [*kinds, *(one for one in values if isinstance(one, FunctionType))]


def _imported(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
        elif isinstance(node, ast.Import | ast.ImportFrom):
            yield from (one.name for one in node.names)
