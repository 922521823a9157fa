"""Edits that are tried may let code run that never did: it changes nothing outside."""

import ast
import ctypes
import os
import stat

import numpy as np
import pytest
from modules import module_at, module_of
from sweeps import sample

import gradcheck
from gradcheck.mending.guarded import guarded
from gradcheck.mending.patches import Originals, write
from gradcheck.options import Edits

SOURCE = """
import ctypes
import os
import shutil
import socket
import sqlite3
import subprocess
import sys
from os import _exit as leave

import numpy as np

X = np.random.default_rng(0).normal(size=(6, 3))
HERE = {here!r}
NOTES = HERE + "/notes.txt"
LOG = open(HERE + "/log.txt", "a+")


def act(surplus):
    {harm}


def loss(w):
    return np.sum((X @ w) ** 4)


def grad(w):
    surplus = 0 * len(X)
    if surplus > 0:
        act(surplus)
    return X.T @ (3 * (X @ w) ** 3)
"""

HARMS = {
    "remove": "os.remove(NOTES)",
    "rename": "os.replace(NOTES, HERE + '/other.txt')",
    "empty": "open(NOTES, 'w').close()",
    "save": "np.save(HERE + '/saved.npy', X)",
    "caught": "exec('try:\\n os.remove(NOTES)\\nexcept Exception:\\n pass')",
    "folder": "shutil.rmtree(HERE)",
    "make a folder": "os.mkdir(HERE + '/made')",
    "process": "subprocess.run([sys.executable, '-c', f'open({NOTES!r}, \"w\")'])",
    "shell": "os.system('rm ' + NOTES)",
    "pipe": "os.mkfifo(HERE + '/made')",
    "database": "sqlite3.connect(HERE + '/made.db').execute('create table t (a)')",
    "connection": "socket.create_connection(('127.0.0.1', 9))",
    "signal": "os.kill(os.getppid(), 9)",
    "the end": "os._exit(0)",
    "the end by another name": "leave(0)",
    "a library in C": "ctypes.CDLL(None).unlink(NOTES.encode())",
    "a mode in C": "ctypes.CDLL(None).chmod(NOTES.encode(), 0)",
    "a crash": "ctypes.string_at(0)",
    "what is open": "print(surplus, file=LOG, flush=True)",
}


@pytest.fixture
def load():
    """Imports a text as a module, whose log is closed in the end."""
    modules = []
    yield lambda folder, text: modules.append(imported(folder, text)) or modules[-1]
    for module in modules:
        if hasattr(module, "LOG"):
            module.LOG.close()


def imported(folder, text):
    return module_of(text, folder, "work")


def source(folder, harm):
    return SOURCE.replace("{here!r}", repr(str(folder))).replace("{harm}", harm)


def files_in(folder):
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def has_landlock():
    try:
        return ctypes.CDLL(None).syscall(444, None, 0, 1) > 0
    except (OSError, AttributeError):
        return False


@pytest.mark.parametrize("harm", sample([*HARMS], every=2))
def test_what_a_candidate_would_do_outside_of_its_process_is_refused(tmp_path, harm, load):
    if harm == "a library in C" and not has_landlock():
        pytest.skip("the kernel has no Landlock")
    (tmp_path / "notes.txt").write_text("the only copy")
    module = load(tmp_path, source(tmp_path, HARMS[harm]))
    (tmp_path / "__pycache__").mkdir(exist_ok=True)
    before = files_in(tmp_path)
    found = gradcheck.repair(module.loss, np.ones(3), module.grad, budget=Edits(40_000))
    module.LOG.close()
    assert files_in(tmp_path) == before
    assert stat.S_IMODE((tmp_path / "notes.txt").stat().st_mode) != 0
    assert found.ok, str(found)
    assert "4 * (X @ w) ** 3" in found.patches[0].diff
    if harm not in ("a crash", "what is open"):
        assert found.refused > 0
        assert "refused" in str(found)


def test_an_array_that_is_mapped_from_a_file_is_changed_for_the_candidates_only(tmp_path, load):
    np.save(tmp_path / "x.npy", np.random.default_rng(0).normal(size=(6, 3)))
    mapped = f"X = np.load({str(tmp_path / 'x.npy')!r}, mmap_mode='r+')"
    text = source(tmp_path, "X[:] = 0; ctypes.string_at(0)")
    text = text.replace("X = np.random.default_rng(0).normal(size=(6, 3))", mapped)
    module = load(tmp_path, text)
    before = (tmp_path / "x.npy").read_bytes()
    gradcheck.repair(module.loss, np.ones(3), module.grad, budget=Edits(300))
    assert (tmp_path / "x.npy").read_bytes() == before


def test_what_is_open_for_reading_stays_where_it_is_read(tmp_path, load):
    (tmp_path / "notes.txt").write_text("the only copy")
    text = source(tmp_path, "FILE.read(); os.read(PIPE, 1)")
    opened = """LOG = open(NOTES)
FILE = LOG
PIPE, END = os.pipe()
os.set_blocking(PIPE, False)
os.write(END, b"ab")
"""
    module = load(tmp_path, text.replace('LOG = open(HERE + "/log.txt", "a+")\n', opened))
    found = gradcheck.repair(module.loss, np.ones(3), module.grad, budget=Edits(300))
    assert found.ok, str(found)
    assert (module.FILE.read(), os.read(module.PIPE, 2)) == ("the only copy", b"ab")
    os.close(module.PIPE)
    os.close(module.END)


def test_functions_that_write_files_themselves_are_not_searched(tmp_path, load):
    writing = "    open(NOTES, 'w').close()\n    surplus = 0"
    text = source(tmp_path, "pass").replace("    surplus = 0", writing)
    module = load(tmp_path, text)
    found = gradcheck.repair(module.loss, np.ones(3), module.grad, budget=Edits(300))
    assert "write, remove or start something themselves" in found.reason


def test_statements_that_reach_beyond_arrays_and_their_conditions_are_guarded():
    tree = ast.parse("""
if a > 0:
    os.remove(a)
for f in files:
    f.write(a)
b = a @ a
if b > 1:
    b = 2
""")
    found = [ast.unparse(node) for node in guarded(tree)]
    assert found == ["a > 0", "files", "os.remove(a)", "f.write(a)"]


@pytest.fixture
def patch(tmp_path, load):
    module = load(tmp_path, source(tmp_path, "pass"))
    return gradcheck.repair(module.loss, np.ones(3), module.grad, budget=Edits(300)).patches[0]


def test_an_orig_that_is_there_is_kept_and_the_mode_stays(tmp_path, patch):
    path, own = tmp_path / "work.py", tmp_path / "work.py.orig"
    own.write_text("mine")
    path.chmod(0o750)
    os.utime(path, (1e9, 1e9))
    [(written, original)] = write(patch)
    assert (written, original) == (path, tmp_path / "work.py.orig.1")
    assert own.read_text() == "mine"
    assert original.read_bytes() == patch.changed[0].before
    assert original.stat().st_mtime == 1e9
    assert stat.S_IMODE(path.stat().st_mode) == stat.S_IMODE(original.stat().st_mode) == 0o750


def test_one_original_is_kept_for_several_patches_of_a_file(tmp_path, patch):
    path, originals = tmp_path / "work.py", Originals()
    first = path.read_bytes()
    write(patch, originals)
    assert originals.keep(path, path.read_bytes()) == tmp_path / "work.py.orig"
    assert (tmp_path / "work.py.orig").read_bytes() == first
    assert not (tmp_path / "work.py.orig.1").exists()


def test_a_link_stays_a_link_and_a_mode_stays(tmp_path, patch):
    path, real = tmp_path / "work.py", tmp_path / "real.py"
    path.rename(real)
    path.symlink_to(real)
    real.chmod(0o444)
    write(patch)
    assert stat.S_IMODE(real.stat().st_mode) == 0o444
    assert path.is_symlink()
    assert real.read_bytes() == patch.changed[0].after


WRITTEN = {
    "latin-1": ("# coding: latin-1\n# Gr\u00f6\u00dfe\n", "latin-1", "\n"),
    "a mark and other ends of lines": ("", "utf-8-sig", "\r\n"),
    "a form feed": ("", "utf-8", "\n"),
}


@pytest.mark.parametrize("form", WRITTEN)
def test_a_file_is_written_in_the_form_that_it_had(tmp_path, form):
    head, encoding, end = WRITTEN[form]
    feed = "\f" if form == "a form feed" else ""
    text = f"{head}def loss(w):\n    return w @ w\n\n\n{feed}def grad(w):\n"
    text += "    note = '\u00e9'; out = 2 * w\n    return 3 * out"
    path = tmp_path / "work.py"
    path.write_bytes(text.replace("\n", end).encode(encoding))
    module = module_at(path)
    found = gradcheck.repair(module.loss, np.arange(1.0, 4.0), module.grad, budget=Edits(300))
    write(found.patches[0])
    now = text.replace("return 3 * out", "return out")
    assert path.read_bytes() == now.replace("\n", end).encode(encoding)
