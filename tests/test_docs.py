"""The documentation's code runs, what it shows is what comes out, and its links lead somewhere.

A ```python block is a script of its own, run as `my_checks.py`, or under the name that its first
line gives (`# name.py`); a block of that kind also lies beside all later blocks of its page. A
```text block right after it is all that it prints. In a ```console block `$ gradcheck ...` and
`$ pytest ...` are run in the same folder, `$ echo $?` is the exit status of the command before it,
and a line `...` stands for any number of lines.
"""

import importlib.util
import os
import re
import shlex
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from forked import run_forked
from modules import module_at

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
PAGES = sorted(DOCS.glob("*.md"))
FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
ANY_LINES = "..."
PROGRAMS = {"gradcheck": "gradcheck", "pytest": "pytest"}
EXTRAS = ("torch", "jax")
"""The pages of that name need the extra of that name."""

SECONDS = 300
"""After which a program hangs, however busy the machine is."""


@dataclass(frozen=True)
class Block:
    page: str
    number: int
    kind: str
    text: str
    shown: str | None
    beside: tuple["Block", ...]

    @property
    def file(self):
        name = re.match(r"# (\w+\.py)\n", self.text)
        return name[1] if name else "my_checks.py"

    @property
    def named(self):
        return self.kind == "python" and self.text.startswith(f"# {self.file}\n")

    def __str__(self):
        return f"{self.page}-{self.number}"


def blocks_of(path):
    """The python and console blocks of a page; `shown` is the text block that follows at once."""
    text = path.read_text(encoding="utf-8")
    found = list(FENCE.finditer(text))
    blocks = []
    for number, match in enumerate(found):
        kind, content = match.groups()
        if kind not in ("python", "console"):
            continue
        after = found[number + 1] if number + 1 < len(found) else None
        directly = after is not None and not text[match.end() : after.start()].strip()
        shown = after[2] if directly and after[1] == "text" else None
        beside = tuple(block for block in blocks if block.named)
        blocks.append(Block(path.stem, number, kind, content, shown, beside))
    return blocks


BLOCKS = [block for path in PAGES for block in blocks_of(path)]
SCRIPTS = [block for block in BLOCKS if block.kind == "python"]
CONSOLES = [block for block in BLOCKS if block.kind == "console"]


def without_figures(text):
    """Text without the figures that differ by machine: small numbers, times, and how many ties."""
    text = re.sub(r"\d(?:\.\d+)?e[-+]\d+", "#", re.sub(r"  +", "  ", text))
    text = re.sub(r"\(in [\d.]+ s,", "(in # s,", text)
    text = re.sub(r"takes [\d.]+ s\b", "takes # s", text)
    text = re.sub(r"by \d+ evaluations", "by # evaluations", text)
    text = re.sub(r'("(?:evaluations|tied)": )\d+', r"\1#", text)
    text = re.sub(r'("?seconds"?: |time=")[\d.]+', r"\1#", text)
    text = re.sub(r"\((gradcheck|numpy) [\w.]+|(?<=, )(numpy) [\w.]+", "version", text)
    return re.sub(r"\d+\.\d+s\b", "#s", text)


def lines_of(text):
    return [line.rstrip() for line in without_figures(text).strip("\n").split("\n")]


def matches(shown, printed):
    """Whether lines that are shown are all that was printed; `...` stands for any lines."""
    if not shown:
        return not printed
    if shown[0].strip() == ANY_LINES:
        return any(matches(shown[1:], printed[skipped:]) for skipped in range(len(printed) + 1))
    return bool(printed) and shown[0] == printed[0] and matches(shown[1:], printed[1:])


def commands_of(text):
    """Every command of a console block with the lines shown below it."""
    found = []
    for line in text.rstrip("\n").split("\n"):
        if line.startswith("$ "):
            found.append((line[2:], []))
        else:
            found[-1][1].append(line)
    return [(command, "\n".join(shown)) for command, shown in found]


def run(arguments, folder):
    """In a fork of this process; pytest, which runs here already, and what ends others, anew."""
    if arguments[:2] != ["-m", "pytest"] and "--timeout" not in arguments:
        return run_forked(arguments, folder, SECONDS)
    environment = {key: value for key, value in os.environ.items() if "COLUMNS" not in key}
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=SECONDS,
        env={**environment, "NO_COLOR": "1", "PYTHONDONTWRITEBYTECODE": "1"},
    )


def in_folder(block, folder):
    """The folder with the named files of the page so far in it."""
    for other in block.beside:
        (folder / other.file).write_text(other.text, encoding="utf-8")
    return folder


def printed_by(block, folder):
    """What a python block prints."""
    if block.page in EXTRAS and importlib.util.find_spec(block.page) is None:
        pytest.skip(f"{block.page} is not installed")
    path = in_folder(block, folder) / block.file
    path.write_text(block.text, encoding="utf-8")
    done = run([path.name], folder)
    assert done.returncode == 0, done.stderr
    return done.stdout


def answers(block, folder):
    """What every command of a console block prints."""
    in_folder(block, folder)
    status = 0
    for command, shown in commands_of(block.text):
        if command == "echo $?":
            yield command, shown, f"{status}\n"
            continue
        program, *arguments = shlex.split(command)
        done = run(["-m", PROGRAMS[program], *arguments], folder)
        status = done.returncode
        yield command, shown, done.stdout + done.stderr


@pytest.mark.parametrize("block", SCRIPTS, ids=str)
def test_the_code_runs_and_prints_what_is_shown(block, tmp_path):
    printed = printed_by(block, tmp_path)
    assert lines_of(block.shown or "") == lines_of(printed)


@pytest.mark.parametrize("block", CONSOLES, ids=str)
def test_a_command_prints_what_is_shown(block, tmp_path):
    for command, shown, printed in answers(block, tmp_path):
        if not matches(lines_of(shown), lines_of(printed)):
            assert lines_of(shown) == lines_of(printed), command


def test_pages_hold_code():
    assert len(SCRIPTS) > 10
    assert len(CONSOLES) > 5


@pytest.mark.parametrize(
    ("shown", "printed", "same"),
    [
        ("a\nb", "a\nb", True),
        ("a\n...", "a\nb\nc", True),
        ("a\n...\nc", "a\nb\nc", True),
        ("a\n...\nd", "a\nb\nc", False),
        ("a", "a\nb", False),
        ("a\nb", "a", False),
        ("error 1.2e-09", "error 3.4e-10", True),
        ("WRONG in 3 of 3", "WRONG in 2 of 3", False),
    ],
)
def test_how_outputs_are_compared(shown, printed, same):
    assert matches(lines_of(shown), lines_of(printed)) is same


@pytest.mark.parametrize(
    "path",
    [*PAGES, *sorted(DOCS.glob("rules/*.md")), ROOT / "README.md"],
    ids=lambda path: path.stem,
)
def test_links_lead_somewhere(path):
    text = FENCE.sub("", path.read_text(encoding="utf-8"))
    for target in LINK.findall(text):
        if re.match(r"[a-z]+:", target):
            continue
        file, _, anchor = target.partition("#")
        wanted = (path.parent / file).resolve() if file else path
        assert wanted.exists(), f"{path.name} links to {target}"
        if anchor:
            assert anchor in anchors_of(wanted), f"{path.name} links to {target}"


def anchors_of(path):
    """The anchors that headings have on GitHub."""
    text = FENCE.sub("", path.read_text(encoding="utf-8"))
    headings = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_every_page_is_in_the_index():
    index = (DOCS / "index.md").read_text(encoding="utf-8")
    named = set(LINK.findall(index))
    assert {path.name for path in PAGES} - {"index.md"} <= named


def test_the_pages_of_rules_are_current():
    module = module_at(DOCS / "build_rules.py")
    wanted = module.pages()
    there = {"catalogue.md", *(f"rules/{path.name}" for path in DOCS.glob("rules/*"))}
    assert there == set(wanted)
    for name, text in wanted.items():
        assert (DOCS / name).read_text(encoding="utf-8") == text, "python docs/build_rules.py"


def test_the_table_of_speed_is_that_of_the_benchmarks():
    import json

    results = json.loads((ROOT / "benchmarks" / "results.json").read_text(encoding="utf-8"))
    text = (DOCS / "speed.md").read_text(encoding="utf-8")
    rows = re.findall(
        r"^\| ([a-z(][^|]*?) \| ([^|]+) \| ([^|]+) \| ([^|]+) \|$", text, re.MULTILINE
    )
    shown = {name: cells for name, *cells in rows}
    networks = [timings for name, timings in results.items() if re.match("[A-C] ", name)]
    assert len(networks) == 3
    for column, timings in enumerate(networks):
        loop = timings[0]["seconds"]
        for timing in timings:
            ratio, seconds = (rounded(x) for x in (loop / timing["seconds"], timing["seconds"]))
            assert shown[timing["name"]][column] == f"{ratio} ({seconds} s)"


def rounded(number):
    return f"{float(f'{number:.2g}'):,.12g}"


def test_yaml_parses():
    yaml = pytest.importorskip("yaml")
    found = [
        content
        for path in PAGES
        for kind, content in FENCE.findall(path.read_text(encoding="utf-8"))
        if kind == "yaml"
    ]
    assert len(found) >= 2
    for content in found:
        assert isinstance(yaml.safe_load(content), dict)
    assert yaml.safe_load((ROOT / "action.yml").read_text())["runs"]["using"] == "composite"
    assert yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text())[0]["id"] == "gradcheck"


def test_the_action_and_the_hook_run(tmp_path):
    action = (ROOT / "action.yml").read_text(encoding="utf-8")
    hook = (ROOT / ".pre-commit-hooks.yaml").read_text(encoding="utf-8")
    case = next(block for block in SCRIPTS if "@gradcheck.case" in block.text)
    (tmp_path / "checks.py").write_text(case.text, encoding="utf-8")
    command = re.search(r"run: gradcheck (run .*)", action)[1]
    for name, default in (("TARGETS", "."), ("ARGUMENTS", ""), ("JUNIT", "gradients.xml")):
        assert f"{name}: ${{{{ inputs.{name.lower()} }}}}" in action
        command = command.replace(f"${name}", default)
    done = run(["-m", "gradcheck", *shlex.split(command)], tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert "2 of 2 cases came out as expected" in done.stdout
    assert (tmp_path / "gradients.xml").exists()
    entry, arguments = (re.search(rf"^  {key}: (.*)", hook, re.M)[1] for key in ("entry", "args"))
    assert arguments == '["."]'
    done = run(["-m", *entry.split(), "."], tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
