"""The installed wheel: found from any folder, with the bundled cases inside.

With `make test-all` in an environment of its own, for which what it needs is fetched.
"""

import os
import subprocess
import sys
import zipfile
from importlib.util import find_spec
from pathlib import Path

from sweeps import ALL

from gradcheck.casefiles import find_cases

ROOT = Path(__file__).resolve().parent.parent


def run(*command, cwd, path=""):
    own = {**os.environ, "PYTHONPATH": str(path)}
    done = subprocess.run(
        list(map(str, command)), cwd=cwd, capture_output=True, text=True, check=False, env=own
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def built(folder):
    isolation = ["--no-isolation"] if find_spec("hatchling") and not ALL else []
    command = (sys.executable, "-m", "build", "--wheel", *isolation)
    run(*command, "--outdir", folder, ROOT, cwd=folder)
    return next(folder.glob("*.whl"))


def assert_holds_the_package_and_the_cases_and_nothing_else(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    tops = {name.partition("/")[0] for name in names}
    assert tops == {"gradcheck", next(top for top in tops if top.endswith(".dist-info"))}
    assert "gradcheck/cases/xor.py" in names
    assert "gradcheck/py.typed" in names


def installed(wheel, folder):
    """The interpreter and the path with which the wheel is found."""
    if ALL:
        run(sys.executable, "-m", "venv", folder, cwd=folder.parent)
        python, places = folder / "bin" / "python", []
    else:
        python, places = sys.executable, ["--no-deps", "--target", folder]
    command = (python, "-m", "pip", "install", "--quiet", "--no-compile", *places)
    run(*command, wheel, cwd=folder.parent)
    return python, folder if places else ""


def test_the_wheel_is_whole_and_installed_it_runs_the_bundled_cases_from_another_folder(tmp_path):
    wheel = built(tmp_path)
    assert_holds_the_package_and_the_cases_and_nothing_else(wheel)
    python, path = installed(wheel, tmp_path / "installed")
    program = tmp_path / "installed" / "bin" / "gradcheck"
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    listed = run(program, "list", cwd=elsewhere, path=path)
    assert all(entry.name in listed for entry in find_cases([]))
    said = run(program, "run", "-q", "xor", "relu_regression", cwd=elsewhere, path=path)
    assert "5 of 5 cases came out as expected" in said
    code = "import gradcheck.casefiles as c; print(c.bundled_folder())"
    location = run(python, "-c", code, cwd=elsewhere, path=path)
    assert Path(location.strip()).is_relative_to(tmp_path / "installed")
