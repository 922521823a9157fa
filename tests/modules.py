"""Programs as modules, each of a name of its own."""

import importlib.util
import itertools
import sys

_numbers = itertools.count()


def module_at(path):
    """The module of a file, made anew at each call."""
    name = f"{path.stem}_{next(_numbers)}"
    spec = importlib.util.spec_from_file_location(name, path)
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def module_of(text, folder, name="program"):
    """The module of a text, which is written into a file."""
    path = folder / f"{name}.py"
    path.write_text(text, encoding="utf-8")
    return module_at(path)
