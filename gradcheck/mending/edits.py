"""The edits that are tried: a new kind is one row of `KINDS`.

Weights say how unnatural an edit is: what people forget or mix up most often comes first.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from gradcheck.mending.context import Context, Edit
from gradcheck.mending.of_calls import (
    axes,
    comparisons,
    constants,
    flags,
    functions,
    library_functions,
    sums,
    texts,
    wrapped,
)
from gradcheck.mending.of_factors import (
    missing_penalty,
    missing_slope,
    missing_weights,
    removed_factor,
    scaled,
    signs,
)
from gradcheck.mending.of_operands import (
    all_of_a_name,
    columns,
    indices,
    names,
    powers,
    products,
    transposes,
)
from gradcheck.mending.of_statements import (
    assigned_or_added,
    kept_results,
    moved_statements,
    reversed_loops,
)

Maker = Callable[[Context], Iterator[Edit]]


@dataclass(frozen=True)
class Kind:
    """A kind of edit.

    Attributes:
        name: of the kind.
        make: all edits of this kind in a function.
        rules: the rules whose finding it would mend; it is tried first where they were found.
    """

    name: str
    make: Maker
    rules: tuple[str, ...] = ()


KINDS: tuple[Kind, ...] = (
    Kind("scale", scaled, ("GC101", "GC102", "GC103", "GC104", "GC105", "GC206")),
    Kind("sign", signs, ("GC106", "GC504")),
    Kind("removed factor", removed_factor, ("GC102", "GC103", "GC302", "GC305", "GC503")),
    Kind("transpose", transposes, ("GC201", "GC202")),
    Kind("axis", axes, ("GC204", "GC401")),
    Kind("sum", sums, ("GC203", "GC206", "GC207")),
    Kind("comparison", comparisons, ("GC306",)),
    Kind("flag", flags, ("GC301", "GC302", "GC303", "GC304")),
    Kind("assigned or added", assigned_or_added, ("GC208",)),
    Kind("product", products, ("GC202", "GC205", "GC209")),
    Kind("name", names, ("GC301", "GC303", "GC304", "GC402", "GC403", "GC404", "GC405", "GC406")),
    Kind("function", functions, ("GC301", "GC307", "GC308")),
    Kind("library function", library_functions, ("GC205", "GC209")),
    Kind("index", indices, ("GC402", "GC403", "GC405")),
    Kind("power", powers, ("GC307",)),
    Kind("column", columns, ("GC202", "GC501")),
    Kind("constant", constants, ("GC103", "GC308")),
    Kind("slope", missing_slope, ("GC302", "GC305")),
    Kind("penalty", missing_penalty, ("GC601", "GC602", "GC603")),
    Kind("moved statement", moved_statements, ("GC401", "GC408", "GC701")),
    Kind("wrapped", wrapped, ("GC301", "GC304")),
    Kind("all of a name", all_of_a_name, ("GC301", "GC303", "GC304", "GC307")),
    Kind("text", texts, ("GC307", "GC405")),
    Kind("reversed loop", reversed_loops),
    Kind("kept result", kept_results),
    Kind("weights", missing_weights, ("GC406",)),
)
"""All kinds of edits."""

AT_THE_LINE = 0.25
OF_THE_RULE = 0.4
ODD = 4.0
ODDITIES = re.compile(rb"-\w+\.shape|\.shape\[-?\d\] [*/]|-\w*cache|^\d+ [*/]|len\([^)]*\) [*/]")
"""What nobody means: a size that is negative, or is divided."""

"""By how much less natural an edit may be at the line, and of the kind, that the diagnosis says."""


def all_edits(
    contexts: Sequence[Context], lines: Sequence[tuple[str, int]], codes: Sequence[str]
) -> list[Edit]:
    """All edits of some functions, the likeliest first.

    Args:
        contexts: the functions.
        lines: the files and lines that the diagnosis points at.
        codes: the codes of the rules that it found.
    """
    found: dict[tuple[str, int, int, bytes], Edit] = {}
    for kind in KINDS:
        likely = OF_THE_RULE if set(kind.rules) & set(codes) else 1.0
        for context in contexts:
            for edit in kind.make(context):
                near = AT_THE_LINE if (edit.path, edit.line) in lines else 1.0
                odd = ODD if ODDITIES.search(edit.replacement) else 1.0
                weight = edit.weight * likely * near * odd
                weighed = replace(edit, weight=weight, kind=kind.name)
                key = (edit.path, edit.start, edit.end, edit.replacement)
                if context.text[edit.start : edit.end] == edit.replacement:
                    continue
                if key not in found or found[key].weight > weighed.weight:
                    found[key] = weighed
    return sorted(found.values(), key=lambda edit: (edit.weight, edit.path, edit.start))
