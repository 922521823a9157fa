"""A script is taken apart in a process of its own: no windows, no files, no questions.

Drawing and waiting do nothing, and files are written to memory, with a note in the report;
removing, renaming, processes and sockets are refused. This guards against accidents, not against
malicious code.
"""

from __future__ import annotations

import argparse
import builtins
import io
import os
import sys
import tempfile
import time
import traceback
import types
from collections.abc import Callable
from functools import partial
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from itertools import repeat
from multiprocessing.connection import Connection
from opcode import opname
from pathlib import Path
from typing import Any

import numpy as np

from gradcheck.errors import UsageError
from gradcheck.sandbox.confinement import confine
from gradcheck.sandbox.forked import forked
from gradcheck.sandbox.harmless import Refusals
from gradcheck.script.imported import Further
from gradcheck.script.precision import NeedsItsTypesError
from gradcheck.script.words import RefusedError, short

DRAWING = ("matplotlib", "mpl_toolkits", "pylab", "seaborn", "plotly", "IPython", "ipdb")
"""Packages that draw or stop for a human; empty modules replace them and all their parts."""

DRAWN = (
    "annotate axes axhline axis axvline bar cla clf close cm colorbar contour contourf "
    "draw errorbar figure fill_between gca gcf grid hist hold imshow ioff ion legend "
    "loglog matshow pause pcolor plot rc rcParams savefig scatter semilogx semilogy show "
    "subplot subplots suptitle text tight_layout title xlabel xlim xticks ylabel ylim "
    "yticks"
)
"""What `from matplotlib.pyplot import *` gives that scripts use."""

BUILTIN = ("abs", "bool", "bytes", "max", "min", "pow", "round")
"""Names of numpy that pylab leaves to Python."""

BARS = ("tqdm.auto", "tqdm.autonotebook", "tqdm.notebook")
WRITING = "wax+"
SAVING = ("save", "savez", "savez_compressed", "savetxt")


_OPEN = builtins.open


class Anything:
    """An object that can be called, indexed, iterated over and added, without any effect."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return self

    def __call__(self, *_: Any, **__: Any) -> Any:  # noqa: D102
        return self

    def __getitem__(self, _: Any) -> Any:
        return self

    def __setitem__(self, _: Any, __: Any) -> None:
        pass

    def __iter__(self) -> Any:
        """As many as a line unpacks, such as `line, = plot(x)`; two where that is not told."""
        frame = sys._getframe(1)
        operation, number = frame.f_code.co_code[frame.f_lasti : frame.f_lasti + 2]
        return repeat(self, number if opname[operation] == "UNPACK_SEQUENCE" else 2)

    def __enter__(self) -> Any:
        return self

    def __exit__(self, *_: Any) -> None:
        pass

    def __deepcopy__(self, _: Any) -> Any:
        return self

    def __add__(self, _: Any) -> Any:
        return self

    __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = __truediv__ = __rtruediv__ = __add__


class _Module(types.ModuleType):
    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return Anything()


class _Drawing(MetaPathFinder, Loader):
    """Finds an empty module for every package that draws, and for its parts."""

    def find_spec(self, fullname: str, *_: Any) -> ModuleSpec | None:
        is_drawing = fullname.partition(".")[0] in DRAWING
        return ModuleSpec(fullname, self, is_package=True) if is_drawing else None

    def create_module(self, spec: ModuleSpec) -> types.ModuleType:
        return _Module(spec.name)

    def exec_module(self, module: types.ModuleType) -> None:
        """Leave the module empty, but for what `from pylab import *` and its kin bring."""
        names = vars(module)
        for package in (np, np.fft, np.linalg, np.random) if module.__name__ == "pylab" else ():
            own = (name for name in package.__all__ if name not in BUILTIN)
            names.update({name: getattr(package, name) for name in own})
        names.update(dict.fromkeys(DRAWN.split(), Anything()))


class Playground:
    """Changes this process for good, so that a script can be run in it.

    Attributes:
        notes: what the script was kept from doing, one sentence each.
        refusals: the calls that were refused.
    """

    def __init__(self, path: Path) -> None:
        self.notes: list[str] = []
        sys.argv = [str(path)]
        home = path.resolve().parent  # it comes first and once, as in Python
        others = [one for one in sys.path if Path(one or ".").resolve() != home]
        sys.path[:] = [str(home), *others]
        self._elsewhere = [Path.cwd(), home.parent]
        os.chdir(path.parent)
        for name in [one for one in sys.modules if one.partition(".")[0] in DRAWING]:
            del sys.modules[name]
        sys.meta_path[:] = [_Drawing(), *sys.meta_path, Further(self._elsewhere)]
        _with_plain_bars()
        time.sleep = lambda _: None
        argparse.ArgumentParser.error = _without_arguments  # type: ignore[method-assign,assignment]
        names = vars(builtins)
        names.update(
            get_ipython=Anything, display=Anything(), xrange=range, input=_asked, open=self._open
        )
        io.open = self._open
        for name in SAVING:
            setattr(np, name, self._instead("did not write"))
        for name in ("makedirs", "mkdir"):
            setattr(os, name, self._instead("did not make the folder"))
        _seeded()
        self.refusals = Refusals((), "while it is taken apart, the script may not")

    def _note(self, sentence: str) -> None:
        if sentence not in self.notes:
            self.notes.append(sentence)

    def _instead(self, what: str) -> Callable[..., None]:
        return lambda file, *_, **__: self._note(f"{what} {file}")

    def _open(self, file: Any, mode: str = "r", *more: Any, **named: Any) -> Any:
        if set(mode) & set(WRITING):
            self._note(f"did not write {file}")
            return io.BytesIO() if "b" in mode else io.StringIO()
        return _OPEN(self._found(file), mode, *more, **named)

    def _found(self, file: Any) -> Any:
        """Return where a file is: beside the script, else in the present folder or that above."""
        if not isinstance(file, str | Path) or Path(file).exists():
            return file
        return next((at / file for at in self._elsewhere if (at / file).is_file()), file)


def _with_plain_bars() -> None:
    """Let the bars of notebooks be those of a terminal, and all be loops if tqdm is not there."""
    try:
        import tqdm
    except ImportError:
        tqdm = sys.modules["tqdm"] = _Module("tqdm")
        names = vars(tqdm)
        names.update(tqdm=lambda items=None, *_, **__: items, trange=lambda *a, **_: range(*a))
    tqdm.tqdm_notebook, tqdm.tnrange = tqdm.tqdm, tqdm.trange
    sys.modules.update(dict.fromkeys(BARS, tqdm))


def _asked(prompt: Any = "") -> str:
    raise RefusedError(
        f"the script asks a question, input({str(prompt)!r}); write the answer into the script"
    )


def _without_arguments(_: Any, message: str) -> None:
    raise RefusedError(f"it is run without arguments, and {message}; give these defaults in it")


def _seeded() -> None:
    """Seed all random generators, so that a script without a seed repeats its numbers."""
    import random

    np.random.seed(0)  # noqa: NPY002  # what scripts use
    random.seed(0)
    generator = np.random.default_rng
    np.random.default_rng = lambda seed=None: generator(0 if seed is None else seed)


def in_process(work: Callable[[bool], Any], seconds: float) -> Any:
    """Return the result of `work` in a process of its own, or a sentence saying why there is none.

    The process is ended after `seconds`. A script that does not train in float64 is told to `work`
    in another one, as it is.
    """
    answer = _in_one(partial(work, False), seconds)
    return _in_one(partial(work, True), seconds) if answer is None else answer


def _in_one(work: Callable[[], Any], seconds: float) -> Any:
    """Return the result of `work`, or why there is none; None if the script needs its types."""
    if not hasattr(os, "fork"):
        return (
            "a script is taken apart in a forked process, which this system lacks; mark a function "
            "of yours with @gradcheck.case"
        )
    tempfile.gettempdir()  # found by writing there, which is refused in the script's process
    with forked(_answer, work) as (receiver, process):
        try:
            return (
                receiver.recv() if receiver.poll(seconds) else f"it was stopped after {seconds:g} s"
            )
        except EOFError:
            process.join()
            return f"the script ended its process, with status {process.exitcode}"


def _answer(sender: Connection, work: Callable[[], Any]) -> None:
    confine(sender.fileno(), shared=0)
    try:
        answer = work()
    except NeedsItsTypesError:
        answer = None
    except (RefusedError, UsageError) as refused:
        answer = str(refused)
    except Exception as error:
        place = traceback.extract_tb(error.__traceback__)[-1]
        answer = (
            f"{type(error).__name__}: {short(error, 160)} ({Path(place.filename).name}:"
            f"{place.lineno}); if it is an ordinary script, that is a defect of gradcheck: "
            "please report it"
        )
    sender.send(answer)
