"""Cases in processes of their own: what one does to its process costs its own result only."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from xml.etree import ElementTree

import pytest

from gradcheck.cli import main
from gradcheck.errors import UsageError
from gradcheck.isolation import THREADS, Lost, Workers, threads_of

posix = pytest.mark.skipif(not hasattr(os, "killpg"), reason="needs signals of POSIX")

HEAD = """
import os, signal, subprocess, sys, time
import numpy as np
import gradcheck

def squares(loss=lambda w: float(w @ w)):
    return gradcheck.Case(loss, np.ones(2), lambda w: 2 * w)
"""
CASE = """
@gradcheck.case
def {}():
    return squares({})
"""


@pytest.fixture
def isolated(monkeypatch):
    monkeypatch.setattr("gradcheck.commands.run.ISOLATED", True)


def case_file(folder, text, name="checks.py"):
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_text(HEAD + text)
    return path


def verdicts(path):
    return {case["name"]: case["verdict"] for case in json.loads(path.read_text())["cases"]}


def test_threads_are_as_many_as_cores_are_free(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)), raising=False)
    for busy, jobs, threads in [(0.2, 1, "8"), (3.1, 1, "5"), (3.1, 2, "2"), (20.0, 2, "1")]:
        monkeypatch.setattr(os, "getloadavg", lambda busy=busy: (busy, 0.0, 0.0), raising=False)
        for name in THREADS:
            monkeypatch.delenv(name, raising=False)
        with threads_of(jobs):
            assert {os.environ[name] for name in THREADS} == {threads}


def run(tmp_path, *targets, options=()):
    """The status of a run, and its cases by name."""
    outputs = [tmp_path / f"out.{suffix}" for suffix in ("json", "xml", "txt")]
    named = [part for path in outputs for part in ("--output", str(path))]
    status = main(["run", *map(str, targets), *named, *options])
    assert len(list(ElementTree.parse(outputs[1]).iter("testcase"))) == len(verdicts(outputs[0]))
    cases = json.loads(outputs[0].read_text())["cases"]
    return status, {case["name"]: case for case in cases}


@pytest.mark.usefixtures("isolated")
@posix
def test_a_case_that_ends_its_process_costs_its_own_result_only(tmp_path):
    text = "".join(
        CASE.format(*case)
        for case in (
            ("first", ""),
            ("leaves", "lambda w: os._exit(7)"),
            ("killed", "lambda w: os.kill(os.getpid(), signal.SIGKILL)"),
            ("hangs", "lambda w: time.sleep(100)"),
            ("last", ""),
        )
    )
    status, cases = run(tmp_path, case_file(tmp_path, text), options=["--timeout", "2"])
    assert status == 2
    assert [name.partition(":")[2] for name in cases] == [
        "first",
        "leaves",
        "killed",
        "hangs",
        "last",
    ]
    assert [case["verdict"] for case in cases.values()] == ["pass", *["inconclusive"] * 3, "pass"]
    reasons = [case["could_not_check"] for case in cases.values()]
    assert "exit status 7" in reasons[1]
    assert "memory" in reasons[2]
    assert "after 2 s" in reasons[3]
    assert "--timeout" in reasons[3]


@pytest.mark.usefixtures("isolated")
def test_one_of_several_files_may_not_load(tmp_path, capfd):
    case_file(tmp_path / "ann", 'print("{")\nos.system("echo {")' + CASE.format("net", ""))
    case_file(tmp_path / "ben", "sys.exit('bye')" + CASE.format("net", ""))
    case_file(tmp_path / "cem", "input()" + CASE.format("net", ""))
    case_file(tmp_path / "dan", CASE.format("net", ""))
    status, cases = run(tmp_path, tmp_path, options=["--jobs", "2", "--format", "text"])
    assert status == 2
    assert list(cases) == ["ann/checks:net", "ben/checks", "cem/checks", "dan/checks:net"]
    assert [case["verdict"] == "pass" for case in cases.values()] == [True, False, False, True]
    assert "SystemExit: bye" in cases["ben/checks"]["could_not_check"]
    assert "EOFError" in cases["cem/checks"]["could_not_check"]
    assert "{" not in capfd.readouterr().out


@posix
@pytest.mark.parametrize(("jobs", "sent"), [("1", signal.SIGINT), ("2", signal.SIGTERM)])
def test_an_interrupt_keeps_what_is_finished(tmp_path, jobs, sent):
    # the first case, which begins at the same time, has ended by then
    begun = f'open(r"{tmp_path}/begun", "w").close()'
    slow = f"lambda w: time.sleep(3) or {begun} or time.sleep(100)"
    text = CASE.format("first", "") + CASE.format("slow", slow) + CASE.format("last", "")
    command = [sys.executable, "-m", "gradcheck", "run", str(case_file(tmp_path, text))]
    process = subprocess.Popen(
        [*command, "--jobs", jobs, "--output", str(tmp_path / "out.json")],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    while not (tmp_path / "begun").exists() and process.poll() is None:
        time.sleep(0.05)
    process.send_signal(sent)
    _, err = process.communicate()
    assert process.returncode == 2
    assert "interrupted" in err
    assert "Traceback" not in err
    found = verdicts(tmp_path / "out.json")
    assert found["checks:first"] == "pass"
    assert found["checks:slow"] == "inconclusive"


@posix
def test_what_a_case_started_ends_with_the_run(tmp_path):
    sleeper = 'open("pid", "w").write(str(subprocess.Popen(["sleep", "100"]).pid))'
    path = case_file(tmp_path, CASE.format("net", f"lambda w: {sleeper} and float(w @ w)"))
    subprocess.run([sys.executable, "-m", "gradcheck", path], cwd=tmp_path, capture_output=True)
    state = subprocess.run(
        ["ps", "-o", "stat=", "-p", (tmp_path / "pid").read_text()], capture_output=True, text=True
    )
    assert state.stdout.strip()[:1] in ("", "Z")  # gone, or not yet seen to be by its heir


def test_answers_come_in_the_order_of_the_calls():
    with Workers(2, 60) as workers:
        calls = [
            ("time:sleep", (0.2,)),
            ("operator:add", (1, 2)),
            ("os:getpid", ()),
            ("builtins:int", ("x",)),
        ]
        first, second, third, failed = workers.run(calls)
        assert (first, second) == (None, 3)
        assert third != os.getpid()
        assert isinstance(failed, Lost)
        refused, unsent = workers.run(
            [(f"{__name__}:{own.__name__}", ()) for own in (_refuse, _unsendable)]
        )
    assert isinstance(refused, UsageError)
    assert "cannot be sent" in unsent.reason


def _refuse():
    raise UsageError("no")


def _unsendable():
    return lambda: None


ORPHAN = """
import os, signal, sys, time
from gradcheck.sandbox.forked import forked

with forked(lambda sender: time.sleep(600)) as (_, process):
    print(process.pid, flush=True)
    time.sleep(0.2)
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends a child with its parent")
def test_what_is_forked_does_not_outlive_a_parent_that_is_killed(tmp_path):
    said = tmp_path / "pid"
    with said.open("w") as out:  # no pipe, which the child would hold open
        assert subprocess.run([sys.executable, "-c", ORPHAN], stdout=out).returncode < 0
    child = int(said.read_text())
    status = Path(f"/proc/{child}/stat")
    for _ in range(100):
        if not status.exists() or status.read_text().rsplit(")")[1].split()[0] == "Z":
            return
        time.sleep(0.1)
    os.kill(child, signal.SIGKILL)
    pytest.fail("the forked process still runs")
