"""Scripts and commands in a fork of this process, which has imported what they need already."""

import contextlib
import os
import runpy
import signal
import sys
import tempfile
import time
import traceback
import warnings
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Done:
    returncode: int
    stdout: str
    stderr: str


def run_forked(arguments, folder, seconds=300):
    """What `python ARGUMENTS` comes to in a folder: a script, or `-m` and a module.

    Raises:
        TimeoutError: it was not done in time.
    """
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as error:
        sys.stdout.flush()
        child = os.fork()
        if child == 0:
            _as_program(arguments, folder, out, error)
        status = _waited_for(child, seconds)
        texts = []
        for file in (out, error):
            file.seek(0)
            texts.append(file.read())
    return Done(os.waitstatus_to_exitcode(status), *texts)


def _waited_for(child, seconds):
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            return status
        time.sleep(0.005)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    raise TimeoutError(f"not done in {seconds} s")


def _as_program(arguments, folder, out, error):
    status = 1
    try:
        for file, descriptor in ((out, 1), (error, 2)):
            os.dup2(file.fileno(), descriptor)
        sys.stdout = sys.__stdout__ = open(1, "w", closefd=False)  # noqa: SIM115 - it stays open
        sys.stderr = sys.__stderr__ = open(2, "w", closefd=False)  # noqa: SIM115
        os.chdir(folder)
        warnings.resetwarnings()
        os.environ["NO_COLOR"] = "1"
        os.environ.pop("COLUMNS", None)
        sys.path.insert(0, str(folder))
        status = _status_of(arguments)
    finally:
        with contextlib.suppress(Exception):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(status)


def _status_of(arguments):
    try:
        if arguments[0] == "-m":
            sys.argv = arguments[1:]
            runpy.run_module(arguments[1], run_name="__main__", alter_sys=True)
        else:
            sys.argv = list(arguments)
            runpy.run_path(str(Path(arguments[0])), run_name="__main__")
    except SystemExit as left:
        if isinstance(left.code, str):
            print(left.code, file=sys.stderr)
        return left.code if isinstance(left.code, int) else int(left.code is not None)
    except BaseException:
        traceback.print_exc()
        return 1
    return 0
