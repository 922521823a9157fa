"""Which of several proved patches is meant: where the diagnosis points, and as people write it."""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher

from gradcheck.finding import Finding
from gradcheck.mending.candidate import Mended
from gradcheck.mending.said import SAID
from gradcheck.mending.variants import Texts

Rank = tuple[int, int, int, bool, int, float]

TOKEN = re.compile(r"\w+|[^\w\s]")

PRODUCTS = ("dot", "matmul")


def ranked(mended: Sequence[Mended], before: Texts, findings: Sequence[Finding]) -> list[Mended]:
    """The likeliest first; of those that say the same, that alone."""
    texts: dict[str, ast.Module] = {path: ast.parse(text) for path, text in before.items()}
    chosen: dict[tuple[str, ...], Mended] = {}
    for one in sorted(mended, key=lambda one: _rank(one, before, findings)):
        changed = [path for path in before if one.texts[path] != before[path]]
        trees = {**texts, **{path: ast.parse(one.texts[path]) for path in changed}}
        meaning = tuple(normal(trees[path]) for path in before)
        chosen.setdefault(meaning, one)
    return list(chosen.values())


def _rank(mended: Mended, before: Texts, findings: Sequence[Finding]) -> Rank:
    """The number of edits, distance from the diagnosis, oddities; what is not said, words, weight."""
    places = [place for one in findings for place in (one.location, *one.also) if place]
    named = {(place.file, place.line) for place in places}
    distance = sum((edit.path, edit.line) not in named for edit in mended.edits)
    odd = sum(_oddity(mended.texts[path], before[path]) for path in before)
    changed = changed_words(mended.texts, before)
    is_own = any(edit.weight > SAID for edit in mended.edits)
    return len(mended.edits), distance, odd, is_own, changed, mended.weight


def changed_words(after: Texts, before: Texts) -> int:
    """How many names, numbers and signs are put in, left out, or others now."""
    return sum(_changed(after[path], before[path]) for path in before)


def _changed(after: bytes, before: bytes) -> int:
    lines = [text.decode().splitlines() for text in (before, after)]
    ours, theirs = (
        [token for line in own if line not in other for token in TOKEN.findall(line)]
        for own, other in (lines, lines[::-1])
    )
    changes = SequenceMatcher(None, ours, theirs, autojunk=False).get_opcodes()
    return sum(max(i2 - i1, j2 - j1) for kind, i1, i2, j1, j2 in changes if kind != "equal")


def _oddity(after: bytes, before: bytes) -> int:
    """How much a text has that nobody writes, and that was not there before."""
    if after == before:
        return 0
    more = Counter(_oddities(ast.parse(after)))
    more.subtract(Counter(_oddities(ast.parse(before))))
    return sum(count for count in more.values() if count > 0)


def _oddities(tree: ast.Module) -> Iterator[str]:
    """A division by a bare number, the size of what is made on the way, `out=`, a name twice."""
    for function in ast.walk(tree):
        if not isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        made = {
            node.id
            for node in ast.walk(function)
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
        }
        for node in ast.walk(function):
            if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div):
                if isinstance(node.right, ast.Constant):
                    yield f"{function.name}: / {node.right.value!r}"
            elif isinstance(node, ast.BinOp) and isinstance(node.right, ast.UnaryOp):
                yield f"{function.name}: a sign after another"
            elif isinstance(node, ast.Call) and len({*map(ast.dump, node.args)}) < len(node.args):
                yield f"{function.name}: an argument twice"
            elif isinstance(node, ast.Tuple):
                names = [item.id for item in node.elts if isinstance(item, ast.Name)]
                if len(names) > len(set(names)):
                    yield f"{function.name}: {names} twice"
            elif isinstance(node, ast.keyword) and node.arg == "out":
                yield f"{function.name}: out"
            elif (sized := _sized(node)) in made:
                yield f"{function.name}: size of {sized}"


def _sized(node: ast.AST) -> str | None:
    """The name in `len(name)`, `name.shape` or `name.size`."""
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "len":
        node = node.args[0] if node.args else node
    elif isinstance(node, ast.Attribute) and node.attr in ("shape", "size"):
        node = node.value
    else:
        return None
    return node.id if isinstance(node, ast.Name) else None


def normal(node: ast.AST) -> str:
    """A tree as text in which the order of factors and terms, and where a sign stands, are one."""
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add | ast.Sub):
        return f"({' '.join(sorted(_terms(node, 1)))})"
    if isinstance(node, ast.BinOp | ast.UnaryOp) and isinstance(
        node.op, ast.Mult | ast.Div | ast.USub
    ):
        return _product(node)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.MatMult):
        return f"({normal(node.left)} @ {normal(node.right)})"
    if isinstance(node, ast.Call) and getattr(node.func, "attr", "") in PRODUCTS:
        return f"({' @ '.join(normal(argument) for argument in node.args)})"
    parts = []
    for _, value in ast.iter_fields(node):
        items = value if isinstance(value, list) else [value]
        texts = [normal(item) if isinstance(item, ast.AST) else repr(item) for item in items]
        parts.append(f"[{' '.join(texts)}]" if isinstance(value, list) else texts[0])
    return f"{type(node).__name__}({', '.join(parts)})"


def _terms(node: ast.expr, sign: int) -> Iterator[str]:
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add | ast.Sub):
        yield from _terms(node.left, sign)
        yield from _terms(node.right, -sign if isinstance(node.op, ast.Sub) else sign)
    else:
        text = _product(node)
        negative = text.startswith("-") != (sign < 0)
        yield f"{'-' if negative else '+'}{text.lstrip('-')}"


def _product(node: ast.expr) -> str:
    factors: list[str] = []
    sign = _gather(node, "*", factors)
    count = Counter(factor[1:] for factor in factors if factor[0] == "*")
    count.subtract(factor[1:] for factor in factors if factor[0] == "/")
    left = [
        f"{'*' if more > 0 else '/'}{one}" for one, more in count.items() for _ in range(abs(more))
    ]
    return f"{'-' if sign < 0 else ''}({' '.join(sorted(left))})"


def _gather(node: ast.expr, where: str, factors: list[str]) -> int:
    """Adds the factors of a product or quotient to a list; the sign of all."""
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        return -_gather(node.operand, where, factors)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult | ast.Div):
        other = where if isinstance(node.op, ast.Mult) else "*/"[where == "*"]
        return _gather(node.left, where, factors) * _gather(node.right, other, factors)
    factors.append(f"{where}{normal(node)}")
    return 1
