"""The installed wheel: found from any folder, with the bundled cases inside."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

from gradcheck.casefiles import find_cases

ROOT = Path(__file__).resolve().parent.parent


def run(*command, cwd):
    own = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        list(map(str, command)), cwd=cwd, capture_output=True, text=True, check=False, env=own
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def built(folder):
    run(sys.executable, "-m", "build", "--wheel", "--outdir", folder, ROOT, cwd=folder)
    return next(folder.glob("*.whl"))


def assert_holds_the_package_and_the_cases_and_nothing_else(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    tops = {name.partition("/")[0] for name in names}
    assert tops == {"gradcheck", next(top for top in tops if top.endswith(".dist-info"))}
    assert "gradcheck/cases/xor.py" in names
    assert "gradcheck/py.typed" in names


def test_the_wheel_is_whole_and_installed_it_runs_the_bundled_cases_from_another_folder(tmp_path):
    wheel = built(tmp_path)
    assert_holds_the_package_and_the_cases_and_nothing_else(wheel)
    run(sys.executable, "-m", "venv", tmp_path / "venv", cwd=tmp_path)
    programs = tmp_path / "venv" / "bin"
    run(programs / "python", "-m", "pip", "install", "--quiet", "--no-compile", wheel, cwd=tmp_path)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    listed = run(programs / "gradcheck", "list", cwd=elsewhere)
    assert all(entry.name in listed for entry in find_cases([]))
    assert "5 of 5 cases came out as expected" in run(
        programs / "gradcheck", "run", "-q", "xor", "relu_regression", cwd=elsewhere
    )
    location = run(
        programs / "python",
        "-c",
        "import gradcheck.casefiles as c; print(c.bundled_folder())",
        cwd=elsewhere,
    )
    assert Path(location.strip()).is_relative_to(tmp_path / "venv")
