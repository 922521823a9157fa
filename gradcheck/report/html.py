"""The report as one self-contained HTML page: no script, nothing fetched, everything escaped."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from gradcheck.errors import UsageError
from gradcheck.finding import Finding
from gradcheck.pictures import drawing, network_svg, svg
from gradcheck.pictures.charts import scatter_chart, slope_chart, slope_test_chart, step_chart
from gradcheck.report.backward import HEADERS, backward_rows, backward_title
from gradcheck.report.closing import reason_of
from gradcheck.report.text import how_it_came_out, layer_lines
from gradcheck.user.calls import place
from gradcheck.version import __version__
from gradcheck.words import Verdict, printable_lines, shortened

if TYPE_CHECKING:
    from jinja2 import Environment

    from gradcheck.report.model import Report
    from gradcheck.report.outcome import Outcome

TEMPLATE = "report.html.j2"

VERDICTS: tuple[Verdict, ...] = ("pass", "fail", "inconclusive")

LIGHT = ((236, 240, 244), (247, 220, 160), (235, 145, 72), (190, 52, 44), (84, 10, 36))
DARK = ((35, 43, 54), (88, 70, 44), (172, 100, 40), (240, 150, 80), (255, 232, 190))
"""The colours of heat maps, from no error to the largest, away from the background."""


@dataclass(frozen=True)
class BlockPictures:
    """What is drawn of a block: its heat map and its derivatives, or None."""

    name: str
    failed: bool
    cells: svg.Cells | None
    scatter: svg.Plot | None


@dataclass(frozen=True)
class Entry:
    """A report as it stands on the page, the pictures of wrong blocks first."""

    name: str | None
    anchor: str
    report: Report
    closing: str
    facts: tuple[tuple[str, str], ...]
    findings: tuple[tuple[str, Finding], ...]
    lines: tuple[str, ...]
    network: tuple[network_svg.Column, ...]
    pictures: tuple[BlockPictures, ...]
    blocks_left_out: int
    plots: tuple[svg.Plot, ...]


@dataclass(frozen=True)
class Listed:
    """A case in the list on top: where it is told in full, and how it came out."""

    name: str | None
    target: str
    report: Report
    closing: str


@dataclass(frozen=True)
class Totals:
    """How many reports came to each verdict, and in how many each rule was found."""

    verdicts: tuple[tuple[str, int], ...]
    rules: tuple[tuple[str, int], ...]


def render(outcomes: Sequence[Outcome]) -> str:
    """A page with every report, which says how it came out.

    Raises:
        UsageError: jinja2 is not installed.
    """
    return page([(outcome.name, _with_how(outcome)) for outcome in outcomes])


def _with_how(outcome: Outcome) -> Report:
    """The report, with what was taken of a script and how it came out as notes."""
    report = outcome.report_or_reason
    taken = () if outcome.script is None else outcome.script.lines()
    how = how_it_came_out(outcome)
    return replace(report, notes=(*taken, *report.notes, *((how,) if how else ())))


def pages(outcomes: Sequence[Outcome]) -> dict[str, str]:
    """A page for each file of cases, and "index.html", which has the totals and leads to them.

    Raises:
        UsageError: jinja2 is not installed.
    """
    files: dict[str, list[tuple[str | None, Report]]] = {}
    for outcome in outcomes:
        file = outcome.name.rpartition(":")[0] or outcome.name
        files.setdefault(file, []).append((outcome.name, _with_how(outcome)))
    taken = {"index"}
    found, listed = {}, []
    for file, reports in files.items():
        name = f"{_unique(file, taken)}.html"
        found[name] = page(reports)
        listed += _listed(reports, name)
    return {"index.html": _rendered((), listed), **found}


def page(reports: Sequence[tuple[str | None, Report]]) -> str:
    """One page for all reports, each with the name of its case.

    Args:
        reports: names, None where a report has none, and reports.

    Raises:
        UsageError: jinja2 is not installed.
    """
    taken: set[str] = set()
    entries = [
        _entry(name, report, f"case-{number}", taken)
        for number, (name, report) in enumerate(reports, start=1)
    ]
    return _rendered(entries, _listed(reports, "") if len(reports) > 1 else ())


def _listed(reports: Sequence[tuple[str | None, Report]], file: str) -> list[Listed]:
    return [
        Listed(name, f"{file}#case-{number}", report, reason_of(report))
        for number, (name, report) in enumerate(reports, start=1)
    ]


def _totals(listed: Sequence[Listed]) -> Totals:
    verdicts = Counter(each.report.verdict for each in listed)
    rules = Counter(
        rule
        for each in listed
        for rule in {f"{found.code} {found.rule}" for found in each.report.findings}
    )
    return Totals(
        tuple((verdict, verdicts[verdict]) for verdict in VERDICTS),
        tuple(sorted(rules.items(), key=lambda item: (-item[1], item[0]))),
    )


def _rendered(entries: Sequence[Entry], listed: Sequence[Listed]) -> str:
    return str(
        _environment()
        .get_template(TEMPLATE)
        .render(
            entries=entries,
            listed=listed,
            totals=_totals(listed),
            version=__version__,
            light=_shades(LIGHT),
            dark=_shades(DARK),
            svg=svg,
            column_width=network_svg.COLUMN_WIDTH,
            backward_headers=HEADERS,
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
        "entry": lambda worst, name: drawing.entry_name(name, worst.index),
        "place": place,
        "short": shortened,
        "standing": drawing.standing,
        "symbol": drawing.SYMBOLS.__getitem__,
    }
    return environment


def _breakable(name: str) -> Any:
    """A name that is broken between its words where it does not fit."""
    import markupsafe

    parts = re.split(r"(?<=[_:./-])(?=\w)", printable_lines(name))
    return markupsafe.Markup("<wbr>").join(parts)


def _visible(value: Any) -> Any:
    """What the template writes; control characters become visible, None is nothing."""
    if value is None:
        return ""
    if isinstance(value, str) and not hasattr(value, "__html__"):
        return printable_lines(value)
    return value


def _entry(name: str | None, report: Report, anchor: str, taken: set[str]) -> Entry:
    pictured = drawing.pictured_blocks(report.pictures, report.blocks)
    pictures = report.pictures
    curves = [] if pictures.step_curve is None else [step_chart(pictures.step_curve)]
    curves += [] if pictures.slope_test is None else [slope_test_chart(pictures.slope_test)]
    curves += map(slope_chart, pictures.slope_ratios)
    return Entry(
        name=name,
        anchor=anchor,
        report=report,
        closing=reason_of(report),
        facts=_facts(report),
        findings=tuple((_unique(finding.code, taken), finding) for finding in report.findings),
        lines=layer_lines(report),
        network=network_svg.columns(pictures),
        pictures=_block_pictures(report, pictured[: drawing.MOST_BLOCKS]),
        blocks_left_out=max(0, len(pictured) - drawing.MOST_BLOCKS),
        plots=tuple(map(svg.plot, curves)),
    )


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


def _block_pictures(report: Report, names: Sequence[str]) -> tuple[BlockPictures, ...]:
    heat_maps = {heat_map.block: heat_map for heat_map in report.pictures.heat_maps}
    scatters = {scatter.block: scatter for scatter in report.pictures.scatters if scatter.numeric}
    failed = {block.name for block in report.blocks if block.failed}
    return tuple(
        BlockPictures(
            name=name,
            failed=name in failed,
            cells=svg.cells(heat_maps[name]) if name in heat_maps else None,
            scatter=svg.plot(scatter_chart(scatters[name])) if name in scatters else None,
        )
        for name in names
    )


def _unique(code: str, taken: set[str]) -> str:
    """An id for a finding: its code, numbered from the second one on."""
    base = re.sub(r"[^A-Za-z0-9]+", "-", code)
    number = 1
    while (anchor := base if number == 1 else f"{base}-{number}") in taken:
        number += 1
    taken.add(anchor)
    return anchor


def _shades(colours: Sequence[tuple[int, int, int]]) -> tuple[str, ...]:
    """As many colours as there are steps, evenly between the given ones."""
    shades = []
    for step in range(drawing.COLOUR_STEPS):
        at = step * (len(colours) - 1) / (drawing.COLOUR_STEPS - 1)
        before = min(int(at), len(colours) - 2)
        pairs = zip(colours[before], colours[before + 1], strict=True)
        mixed = (round(low + (high - low) * (at - before)) for low, high in pairs)
        shades.append("#" + "".join(f"{part:02x}" for part in mixed))
    return tuple(shades)
