"""The report as one self-contained HTML page: no scripts, no downloads, everything escaped."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, get_args

from gradcheck.errors import UsageError
from gradcheck.pictures import drawing, network_svg, svg
from gradcheck.pictures.charts import charts_of, scatter_chart
from gradcheck.report.closing import reason_of
from gradcheck.report.text import (
    BACKWARD_HEADERS,
    backward_rows,
    backward_title,
    how_it_came_out,
    layer_lines,
)
from gradcheck.user.calls import place
from gradcheck.version import __version__
from gradcheck.words import Verdict, printable_lines, shortened

if TYPE_CHECKING:
    from jinja2 import Environment

    from gradcheck.report.model import Report
    from gradcheck.report.outcome import Outcome

TEMPLATE = "report.html.j2"

LIGHT = ((236, 240, 244), (247, 220, 160), (235, 145, 72), (190, 52, 44), (84, 10, 36))
DARK = ((35, 43, 54), (88, 70, 44), (172, 100, 40), (240, 150, 80), (255, 232, 190))
"""The colours of heat maps from no error to the largest; they stand out from the background."""


Told = tuple[str | None, "Report", str]
"""A case: its name or None, its report, and the link to it."""


def render(outcomes: Sequence[Outcome]) -> str:
    """Return one page with the reports of all outcomes."""
    return page([(outcome.name, _with_how(outcome)) for outcome in outcomes])


def _with_how(outcome: Outcome) -> Report:
    """Return the report, with the script's description and the outcome as notes."""
    report = outcome.report_or_reason
    taken = () if outcome.script is None else outcome.script.lines()
    how = how_it_came_out(outcome)
    return replace(report, notes=(*taken, *report.notes, *((how,) if how else ())))


def pages(outcomes: Sequence[Outcome]) -> dict[str, str]:
    """Return a page for each file of cases, and "index.html" with totals and links."""
    files: dict[str, list[tuple[str | None, Report]]] = {}
    for outcome in outcomes:
        file = outcome.name.rpartition(":")[0] or outcome.name
        files.setdefault(file, []).append((outcome.name, _with_how(outcome)))
    anchors = {"index"}
    rendered: dict[str, str] = {}
    cases: list[Told] = []
    for file, reports in files.items():
        name = f"{_unique(file, anchors)}.html"
        rendered[name] = page(reports)
        cases += _told(reports, name)
    return {"index.html": _rendered((), cases), **rendered}


def page(reports: Sequence[tuple[str | None, Report]]) -> str:
    """Return one page for all reports, each with the name of its case."""
    cases = _told(reports, "")
    return _rendered(cases, cases if len(cases) > 1 else ())


def _told(reports: Sequence[tuple[str | None, Report]], file: str) -> list[Told]:
    return [
        (name, report, f"{file}#case-{number}")
        for number, (name, report) in enumerate(reports, start=1)
    ]


def _rendered(in_full: Sequence[Told], listed: Sequence[Told]) -> str:
    """Return a page with some cases in full, and a list of cases with totals on top."""
    verdicts = Counter(report.verdict for _, report, _ in listed)
    rules = Counter(
        rule
        for _, report, _ in listed
        for rule in {f"{found.code} {found.rule}" for found in report.findings}
    )
    return str(
        _environment()
        .get_template(TEMPLATE)
        .render(
            told=in_full,
            listed=listed,
            verdicts=[(verdict, verdicts[verdict]) for verdict in get_args(Verdict)],
            rules=sorted(rules.items(), key=lambda item: (-item[1], item[0])),
            unique=partial(_unique, anchors=set()),
            version=__version__,
            light=_shades(LIGHT),
            dark=_shades(DARK),
            svg=svg,
            column_width=network_svg.COLUMN_WIDTH,
            backward_headers=BACKWARD_HEADERS,
            last_step=drawing.COLOUR_STEPS - 1,
            least_error=drawing.LEAST_ERROR,
        )
    )


def _environment() -> Environment:
    try:
        import jinja2
    except ImportError:
        raise UsageError("HTML needs jinja2: pip install jinja2") from None
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("gradcheck.report"),
        autoescape=True,
        finalize=_visible,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "backward_rows": backward_rows,
        "breakable": _breakable,
        "backward_title": backward_title,
        "block_pictures": _block_pictures,
        "closing": reason_of,
        "columns": network_svg.columns,
        "entry": lambda worst, name: drawing.entry_name(name, worst.index),
        "facts": _facts,
        "layer_lines": layer_lines,
        "place": place,
        "plots": lambda pictures: map(svg.plot, charts_of(pictures).values()),
        "short": shortened,
        "standing": drawing.standing,
        "symbol": drawing.SYMBOLS.__getitem__,
    }
    return environment


def _breakable(name: str) -> Any:
    """Allow line breaks between the words of a name."""
    import markupsafe

    parts = re.split(r"(?<=[_:./-])(?=\w)", printable_lines(name))
    return markupsafe.Markup("<wbr>").join(parts)


def _visible(value: Any) -> Any:
    """Make control characters visible, and None empty, in all output of the template."""
    if value is None:
        return ""
    if isinstance(value, str) and not hasattr(value, "__html__"):
        return printable_lines(value)
    return value


def _facts(report: Report) -> tuple[tuple[str, str], ...]:
    coverage = report.coverage
    covered = f"{coverage.entries:,} of {coverage.total:,}"
    if coverage.reason:
        covered += f" ({coverage.reason})"
    facts = [
        ("Network", report.network or "not known"),
        ("Entries perturbed", covered),
        ("Numeric gradient", coverage.how or coverage.engine),
        ("Evaluations of the loss", f"{report.evaluations:,}"),
        ("Time", f"{report.seconds:.2g} s"),
    ]
    if coverage.interrupted:
        facts.append(("Interrupted", "before all was checked"))
    return tuple(facts)


def _block_pictures(report: Report) -> tuple[list[dict[str, Any]], int]:
    """Return the heat maps and scatter plots, wrong blocks first, and how many are omitted."""
    every = drawing.by_block(report.pictures, report.blocks)
    drawn = [
        {
            "failed": failed,
            "cells": None if heat_map is None else svg.cells(heat_map),
            "scatter": None if scatter is None else svg.plot(scatter_chart(scatter)),
        }
        for _, failed, heat_map, scatter in every[: drawing.MOST_BLOCKS]
    ]
    return drawn, len(every) - len(drawn)


def _unique(code: str, anchors: set[str]) -> str:
    """Return a unique anchor: the code of a finding, numbered from the second one on."""
    base = re.sub(r"[^A-Za-z0-9]+", "-", code)
    number = 1
    while (anchor := base if number == 1 else f"{base}-{number}") in anchors:
        number += 1
    anchors.add(anchor)
    return anchor


def _shades(colours: Sequence[tuple[int, int, int]]) -> tuple[str, ...]:
    """Return one colour for each step of the scale, interpolated between the given ones."""
    shades = []
    for step in range(drawing.COLOUR_STEPS):
        at = step * (len(colours) - 1) / (drawing.COLOUR_STEPS - 1)
        before = min(int(at), len(colours) - 2)
        pairs = zip(colours[before], colours[before + 1], strict=True)
        mixed = (round(low + (high - low) * (at - before)) for low, high in pairs)
        shades.append("#" + "".join(f"{part:02x}" for part in mixed))
    return tuple(shades)
