"""Which of several proved patches is meant: where the diagnosis points, and as people write it."""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Iterator, Sequence

from gradcheck.finding import Finding
from gradcheck.mending.candidate import Mended
from gradcheck.mending.said import SAID
from gradcheck.mending.variants import Texts

Rank = tuple[int, int, int, float, int]

WORDS = 4.0
"""So much weight makes an edit as unnatural as one more word."""

OWN = 2.0
"""So many words that an edit of the search's own must be plainer by than what a finding says."""

NUMBER = re.compile(r"(?<![\w.])\d[\w.]*")
OF_FORMULAS = {"0", "1", "2", "3", "4", "0.", "1.", "2.", "0.0", "1.0", "2.0", "0.5", "-1"}
ASSIGNING = (ast.Assign, ast.AugAssign, ast.AnnAssign, ast.NamedExpr)
TOKEN, WORD = re.compile(r"\w+|\*\*|[^\w\s()]"), re.compile(r"[\w.]+|[-+/*@<>=]")
WHOLE = re.compile(rb"[\w.]+|[^\w\s]")


def ranked(mended: Sequence[Mended], before: Texts, findings: Sequence[Finding]) -> list[Mended]:
    """The likeliest first; of those that say the same in other words' order, that alone.

    Beside one without them, numbers that are put in have the value of something by chance, and
    words that are put into what is right already change nothing.
    """
    plain = [one for one in mended if not _numbers_put_in(one.texts, before)]
    mended = plain or mended
    chosen: dict[object, Mended] = {}
    for one in sorted(mended, key=lambda one: _rank(one, before, findings)):
        if any(_has_more(one.texts, other.texts) for other in chosen.values()):
            continue
        words = [tuple(sorted(WORD.findall(one.texts[path].decode()))) for path in before]
        chosen.setdefault((*words, *(edit.line for edit in one.edits)), one)
    return list(chosen.values())


def _rank(mended: Mended, before: Texts, findings: Sequence[Finding]) -> Rank:
    """How many edits, how far from the diagnosis, how odd; words, weight, not said; length."""
    places = [place for one in findings for place in (one.location, *one.also) if place]
    named = {(place.file, place.line) for place in places}
    distance = sum((edit.path, edit.line) not in named for edit in mended.edits)
    odd = sum(_oddity(mended.texts[path], before[path]) for path in before)
    changed = changed_words(mended.texts, before)
    own = OWN * any(edit.weight > SAID for edit in mended.edits)
    length = sum(map(len, mended.texts.values()))
    return len(mended.edits), distance, odd, changed + mended.weight / WORDS + own, length


def changed_words(after: Texts, before: Texts) -> int:
    """How many names, numbers and signs are put in, left out, or others now; 1 for other order.

    Brackets are none.
    """
    changed = 0
    for path in before:
        now, old = (Counter(TOKEN.findall(one[path].decode())) for one in (after, before))
        changed += max((now - old).total(), (old - now).total(), after[path] != before[path])
    return changed


def _has_more(one: Texts, other: Texts) -> bool:
    """Whether a program is another with words put in."""
    words = {path: (WHOLE.findall(one[path]), WHOLE.findall(other[path])) for path in one}
    waiting = {path: iter(more) for path, (more, _) in words.items()}
    return all(word in waiting[path] for path, (_, fewer) in words.items() for word in fewer) and (
        any(len(more) > len(fewer) for more, fewer in words.values())
    )


def _numbers_put_in(after: Texts, before: Texts) -> bool:
    """Whether there are more numbers than before, but for those that formulas have."""
    for path in before:
        now, old = (Counter(NUMBER.findall(one[path].decode())) for one in (after, before))
        if (now - old).keys() - OF_FORMULAS:
            return True
    return False


def _oddity(after: bytes, before: bytes) -> int:
    """How much a text has that nobody writes, and that was not there before."""
    if after == before:
        return 0
    more = Counter(_oddities(ast.parse(after)))
    more.subtract(Counter(_oddities(ast.parse(before))))
    return sum(count for count in more.values() if count > 0)


def _oddities(tree: ast.Module) -> Iterator[str]:
    """A bare number that divides or is the factor of a size, the size of what is made on the way.

    `out=`, and a name twice.
    """
    for function in ast.walk(tree):
        if not isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef | ast.Module):
            continue
        own = ast.walk(function) if function is not tree else ()  # a script's data are made there
        where = getattr(function, "name", "")
        assigned = [one for one in own if isinstance(one, ASSIGNING)]
        made = {
            node.id
            for one in assigned
            for target in getattr(one, "targets", [getattr(one, "target", one)])
            for node in ast.walk(target)
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
        }
        for node in ast.walk(function):
            if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div):
                if isinstance(node.right, ast.Constant):
                    yield f"{where}: / {node.right.value!r}"
                elif _divides_by(node.left, node.right):
                    yield f"{where}: / {ast.unparse(node.right)} twice"
            elif isinstance(node, ast.BinOp) and _is_of_a_shape(node.left, node.right):
                yield f"{where}: a size times a number"
            elif isinstance(node, ast.UnaryOp) and ast.unparse(node.operand) == "0":
                yield f"{where}: the sign of 0"
            elif _has_two_signs(node):
                yield f"{where}: a sign after another"
            elif isinstance(node, ast.BinOp) and _is_shrunk_before(node):
                yield f"{where}: a quotient before a product"
            elif isinstance(node, ast.BinOp) and _changes_nothing(node):
                yield f"{where}: a number that changes nothing"
            elif _is_less_its_square(node):
                yield f"{where}: a term less its square"
            elif isinstance(node, ast.Call) and len({*map(ast.dump, node.args)}) < len(node.args):
                yield f"{where}: an argument twice"
            elif isinstance(node, ast.Call) and _is_of_itself(node.args):
                yield f"{where}: a term times itself"
            elif isinstance(node, ast.Tuple):
                names = [item.id for item in node.elts if isinstance(item, ast.Name)]
                if len(names) > len(set(names)):
                    yield f"{where}: {names} twice"
            elif isinstance(node, ast.keyword) and node.arg == "out":
                yield f"{where}: out"
            elif (sized := _sized(node)) in made:
                yield f"{where}: size of {sized}"


def _divides_by(whole: ast.expr, divisor: ast.expr) -> bool:
    """Whether a product is divided by something already: `a / b / b`, which is `a / b**2`."""
    while isinstance(whole, ast.BinOp) and isinstance(whole.op, ast.Mult | ast.Div):
        if isinstance(whole.op, ast.Div) and ast.dump(whole.right) == ast.dump(divisor):
            return True
        whole = whole.left
    return False


def _has_two_signs(node: ast.AST) -> bool:
    """Whether what follows an operator begins with a sign: `- -a / n`, `b += -a`."""
    match node:
        case ast.BinOp(right=operand) | ast.AugAssign(value=operand):
            while isinstance(operand, ast.BinOp) and isinstance(operand.op, ast.Mult | ast.Div):
                operand = operand.left
            return isinstance(operand, ast.UnaryOp)
    return False


def _is_shrunk_before(node: ast.BinOp) -> bool:
    """Whether it is `a / n @ b`, which people write as `a @ b / n`."""
    match node:
        case ast.BinOp(ast.BinOp(op=ast.Div()), ast.MatMult()):
            return True
    return False


def _changes_nothing(node: ast.BinOp) -> bool:
    """Whether it is `a + 0` or `1.0 * a`."""
    match node:
        case ast.BinOp(_, ast.Add() | ast.Sub(), ast.Constant(0)) | ast.BinOp(
            ast.Constant(0), ast.Add(), _
        ):
            return True
        case ast.BinOp(_, ast.Mult() | ast.Div(), ast.Constant(1)) | ast.BinOp(
            ast.Constant(1), ast.Mult(), _
        ):
            return True
    return False


def _is_less_its_square(node: ast.AST) -> bool:
    """Whether it is `a - a**2`, which people write as `a * (1 - a)`."""
    match node:
        case ast.BinOp(left, ast.Sub(), ast.BinOp(base, ast.Pow(), ast.Constant(2))):
            return ast.dump(left) == ast.dump(base)
    return False


def _is_of_a_shape(one: ast.expr, other: ast.expr) -> bool:
    """Whether an entry of a shape stands beside a bare number."""
    match one, other:
        case ast.Subscript(ast.Attribute(attr="shape")), ast.Constant():
            return True
    return False


def _is_of_itself(arguments: Sequence[ast.expr]) -> bool:
    """Whether two are a sum and one of its terms, as in `np.dot(a - b, b.T)`."""
    match arguments:
        case [ast.BinOp(left, ast.Add() | ast.Sub(), right), ast.Attribute(value, "T")]:
            return ast.unparse(value) in (ast.unparse(left), ast.unparse(right))
    return False


def _sized(node: ast.AST) -> str | None:
    """The name in `len(name)`, `name.shape` or `name.size`."""
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "len":
        node = node.args[0] if node.args else node
    elif isinstance(node, ast.Attribute) and node.attr in ("shape", "size"):
        node = node.value
    else:
        return None
    return node.id if isinstance(node, ast.Name) else None
