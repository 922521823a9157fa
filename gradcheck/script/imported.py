"""Mark the user's modules that a script imports, and keep their variables for the replays."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator, Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from pathlib import Path
from types import CodeType, FunctionType, ModuleType
from typing import Any

from gradcheck.script.instrument import mark_more
from gradcheck.script.marks import Marked
from gradcheck.script.precision import in_double
from gradcheck.script.reading import syntax_of
from gradcheck.script.words import name_of
from gradcheck.trace.record.ownership import is_users_object
from gradcheck.trace.record.sources import parsed
from gradcheck.user.calls import is_users_file

MOST_FOLDERS = 50


class Further(MetaPathFinder):
    """Finds what is nowhere on the path: in the present folder, and the one above the script's.

    A script in `examples/` imports the package beside that, if it is run from there by
    `python -m examples.train`. On the path, a module in them would hide a folder of its name.
    """

    def __init__(self, folders: list[Path]) -> None:
        self.folders = folders

    def find_spec(self, fullname: str, path: Any = None, *_: Any) -> ModuleSpec | None:
        """Return the import specification of a module that is in no package."""
        return PathFinder.find_spec(fullname, [*map(str, self.folders)]) if path is None else None


class Imported(MetaPathFinder):
    """Imports the user's modules with marks; `names` are their variables, by module name."""

    def __init__(self, marked: Marked, hooks: dict[str, Any]) -> None:
        self.names: dict[str, dict[str, Any]] = {}
        self.marked = marked
        self.hooks = hooks

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return the import specification of a module, if it is the user's own."""
        others = (one.find_spec(fullname, path, target) for one in sys.meta_path if one is not self)
        spec = next(filter(None, others), None)
        origin = str(spec.origin) if spec is not None else ""
        if spec is None or not origin.endswith(".py") or not is_users_file(origin):
            return None
        spec.loader = _Loader(fullname, origin, self)
        return spec

    def take_over(self) -> None:
        """Import the user's modules from now on, those of another run of the script anew."""
        others = [one for one in sys.meta_path if isinstance(one, Imported)]
        for name in (name for one in others for name in one.names):
            sys.modules.pop(name, None)
        sys.meta_path[:] = [self, *(one for one in sys.meta_path if one not in others)]

    def variables(self) -> dict[str, dict[str, Any]]:
        """Return a copy of the present variables of all these modules."""
        return {name: dict(variables) for name, variables in self.names.items()}


class _Loader(SourceFileLoader):
    def __init__(self, fullname: str, path: str, imported: Imported) -> None:
        super().__init__(fullname, path)
        self._imported = imported

    def get_code(self, fullname: str) -> CodeType:
        tree = syntax_of(self.get_data(self.path), self.path)
        mark_more(tree, self._imported.marked, fullname, Path(self.path).name)
        in_double(tree, self._imported.marked)
        return compile(tree, self.path, "exec", dont_inherit=True)

    def exec_module(self, module: ModuleType) -> None:
        vars(module).update(self._imported.hooks)
        self._imported.names[module.__name__] = vars(module)
        super().exec_module(module)


def trees_beside(tree: ast.Module, folder: Path) -> list[ast.Module]:
    """Return the syntax trees of the user's modules that a script imports, and of their packages.

    They are searched in the folder of the script, its parent, the subfolders of both, and in the
    user's own folders on the path of Python.
    """
    below = [one for home in (folder, folder.parent) for one in sorted(home.glob("*/"))]
    named = [Path(one) for one in sys.path if is_users_file(f"{one}/any.py")]
    further = [at for one in sys.meta_path if isinstance(one, Further) for at in one.folders]
    homes = [folder, folder.parent, *below[:MOST_FOLDERS], *named, *further]
    trees: dict[Path, ast.Module] = {}
    queue = [(tree, folder)]
    while queue:
        tree, base = queue.pop()
        for name in (one for one in _imported(tree) if not f"{one}.".startswith("gradcheck.")):
            places = [home / name.replace(".", "/") for home in dict.fromkeys((base, *homes))]
            for path in (one for at in places for one in (Path(f"{at}.py"), *at.glob("*.py"))):
                if path not in trees and path.is_file():
                    trees[path] = parsed(path.read_text(encoding="utf-8", errors="replace"))
                    queue.append((trees[path], path.parent))
    return list(trees.values())


def defined(names: dict[str, Any]) -> list[Any]:
    """Return the user's own classes, and all functions, among the variables of a module."""
    values = list(names.values())
    kinds = [one for one in values if isinstance(one, type) and is_users_object(one)]
    return [*kinds, *(one for one in values if isinstance(one, FunctionType))]


def _imported(tree: ast.Module) -> Iterator[str]:
    """Yield the modules that a tree imports; all texts, if it imports by `import_module(name)`."""
    by_text = any(name_of(node) == "import_module" for node in ast.walk(tree))
    for node in ast.walk(tree):
        if by_text and isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield from (node.value,) if node.value.isidentifier() else ()
        if isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
        elif isinstance(node, ast.Import | ast.ImportFrom):
            yield from (one.name for one in node.names)
