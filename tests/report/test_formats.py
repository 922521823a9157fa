"""What every format makes of the same reports; the snapshots are written by running this file."""

import json
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from reports import HOSTILE, OUTCOMES, RIGHT, WRONG, hostile

from gradcheck.report.json import schema
from gradcheck.report.renderers import RENDERERS
from gradcheck.report.text import Style, outcome_text
from gradcheck.report.text import report_text as render
from gradcheck.report.width import colored

FOLDER = Path(__file__).parent / "snapshots"
STYLES = {
    "text": lambda: RENDERERS["text"].render(OUTCOMES),
    "json": lambda: RENDERERS["json"].render(OUTCOMES),
    "junit": lambda: RENDERERS["junit"].render(OUTCOMES),
    "github": lambda: RENDERERS["github"].render(OUTCOMES),
    "verbose": lambda: render(WRONG, "nets:wrong", Style(verbose=True)),
    "narrow": lambda: render(WRONG, "nets:wrong", Style(width=48)),
    "colored": lambda: colored(render(WRONG, "nets:wrong")),
    "quiet": lambda: "\n".join(outcome_text(outcome, quiet=True) for outcome in OUTCOMES),
}


@pytest.mark.parametrize("name", STYLES)
def test_the_output_is_the_snapshot(name):
    assert STYLES[name]() == (FOLDER / f"{name}.txt").read_text(encoding="utf-8")


@pytest.mark.parametrize("outcomes", [OUTCOMES, *((hostile(name),) for name in HOSTILE)])
def test_the_json_fits_its_schema(outcomes):
    jsonschema = pytest.importorskip("jsonschema")
    document = json.loads(RENDERERS["json"].render(outcomes))
    jsonschema.Draft202012Validator.check_schema(schema())
    jsonschema.validate(document, schema())


def test_the_schema_refuses_what_is_not_a_report():
    jsonschema = pytest.importorskip("jsonschema")
    document = json.loads(RENDERERS["json"].render(OUTCOMES))
    document["cases"][1]["blocks"][0]["verdict"] = "fine"
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(document, schema())


@pytest.mark.parametrize("name", HOSTILE)
def test_nothing_hostile_reaches_a_parser_or_a_terminal(name):
    outcome = hostile(name)
    for format_, renderer in RENDERERS.items():
        if format_ == "html":
            continue  # test_html.py
        text = renderer.render([outcome])
        raw = [c for c in text if not c.isprintable() and c != "\n"]
        assert not raw, (format_, raw)
    document = ElementTree.fromstring(RENDERERS["junit"].render([outcome]))
    assert document.find(".//failure") is not None
    annotations = RENDERERS["github"].render([outcome]).split("\n")
    assert [line[:8] for line in annotations] == ["::error ", "0 of 1 c"]
    json.loads(RENDERERS["json"].render([outcome]))


@pytest.mark.parametrize("width", [24, 40, 60, 79, 120])
@pytest.mark.parametrize("report", [WRONG, RIGHT])
def test_text_is_never_wider_than_the_terminal(report, width):
    text = render(report, "nets:wrong", Style(width=width, verbose=True))
    assert max(map(len, text.split("\n"))) <= width


def test_many_blocks_that_agree_are_counted():
    from dataclasses import replace

    right = RIGHT.blocks[0]
    blocks = tuple(replace(right, name=f"w{number}") for number in range(100))
    report = replace(WRONG, blocks=(*blocks, WRONG.blocks[0]), findings=())
    text = render(report)
    assert "w28 " in text
    assert "w29 " not in text
    assert "and 71 more that agree (-v shows them)" in text
    assert "\nW1 " in text
    assert "w99 " in render(report, style=Style(verbose=True))


def test_colour_changes_nothing_but_colour():
    import re

    plain = render(WRONG)
    assert re.sub(r"\x1b\[[\d;]*m", "", colored(plain)) == plain
    assert colored(plain) != plain


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for snapshot, make in STYLES.items():
        (FOLDER / f"{snapshot}.txt").write_text(make(), encoding="utf-8")
