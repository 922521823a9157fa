"""Which of several proved patches is meant: near the diagnosis, and as people write it."""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Iterator, Sequence, Set

from gradcheck.finding import Finding
from gradcheck.mending.candidate import Mended
from gradcheck.mending.roundabout import is_roundabout, terms_of
from gradcheck.mending.said import SAID
from gradcheck.mending.scope import unread_in
from gradcheck.mending.variants import Texts

Rank = tuple[int, int, int, float, int]

WORDS = 4.0
"""The weight that counts as much as one more word."""

OWN = 2.0
"""The number of words by which the search's own edit must be plainer than that of a finding."""

KINK = re.compile("relu|where|maximum")
NUMBER = re.compile(r"(?<![\w.])\d[\w.]*")
OF_FORMULAS = {"0", "1", "2", "3", "4", "0.", "1.", "2.", "0.0", "1.0", "2.0", "0.5", "-1"}
OF_FACTORS = {"0", "1", "2"}
OF_TWO = "GC103"
ASSIGNING = (ast.Assign, ast.AugAssign, ast.AnnAssign, ast.NamedExpr)
TOKEN, WORD = re.compile(r"\w+|\*\*|[^\w\s()]"), re.compile(r"[\w.]+|[-+/*@<>=]")
WHOLE = re.compile(rb"[\w.]+|[^\w\s]")


def ranked(mended: Sequence[Mended], before: Texts, findings: Sequence[Finding]) -> list[Mended]:
    """Return the patches, the likeliest first; of those that only reorder words, one.

    Patches that put in numbers which fit by chance, or words that change nothing, are left out
    beside others without them.
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
    """Return the edits, distance from the diagnosis, and oddities; words and weight; length."""
    places = [place for one in findings for place in (one.location, *one.also) if place]
    named = {(place.file, place.line) for place in places}
    distance = sum((edit.path, edit.line) not in named for edit in mended.edits)
    # what is made and not read any longer was to be mended, and not gone round
    idle = [(_idle(mended.texts[one]), _idle(before[one])) for one in before]
    distance += sum((now - old).total() for now, old in idle)
    odd = sum(_oddity(mended.texts[path], before[path]) for path in before)
    is_right_with_others = any("other sizes" in one for one in mended.varied)
    if any(one.code == OF_TWO for one in findings) and not is_right_with_others:
        # a name that happens to be 2 is not meant
        counts = _put_in_and_left_out(NUMBER, mended.texts, before)
        odd += not any(new or gone for new, gone in counts)
    odd += puts_in_sizes(mended.texts, before)
    changed = changed_words(mended.texts, before)
    surplus = OWN * any(edit.weight > SAID for edit in mended.edits)
    surplus -= OWN * any(old - now for now, old in idle)  # what was made was to be read
    length = sum(map(len, mended.texts.values()))
    return len(mended.edits), distance, odd, changed + mended.weight / WORDS + surplus, length


def puts_in_sizes(after: Texts, before: Texts) -> bool:
    """True if whole numbers are put in that may be the sizes of the moment: `* 4`."""
    counts = _put_in_and_left_out(NUMBER, after, before)
    return any(not gone and any(map(str.isdigit, new.keys() - OF_FACTORS)) for new, gone in counts)


def changed_words(after: Texts, before: Texts) -> int:
    """Return how many names, numbers and signs are added, removed or replaced; 1 if reordered.

    Brackets do not count.
    """
    counts = _put_in_and_left_out(TOKEN, after, before)
    return sum(max(new.total(), gone.total()) for new, gone in counts) or int(after != before)


def _put_in_and_left_out(
    word: re.Pattern[str], after: Texts, before: Texts
) -> Iterator[tuple[Counter[str], Counter[str]]]:
    """Yield for each file the words that are added, and those that are removed."""
    for path in before:
        now, old = (Counter(word.findall(one[path].decode())) for one in (after, before))
        yield now - old, old - now


def _has_more(one: Texts, other: Texts) -> bool:
    """True if a program is another one with words put in."""
    words = {path: (WHOLE.findall(one[path]), WHOLE.findall(other[path])) for path in one}
    waiting = {path: iter(more) for path, (more, _) in words.items()}
    return all(word in waiting[path] for path, (_, fewer) in words.items() for word in fewer) and (
        any(len(more) > len(fewer) for more, fewer in words.values())
    )


def _numbers_put_in(after: Texts, before: Texts) -> bool:
    """True if numbers are put in, other than those of formulas, and fractions of the files."""
    counts = _put_in_and_left_out(NUMBER, after, before)
    present = {one for text in before.values() for one in NUMBER.findall(text.decode())}
    usual = OF_FORMULAS | {one for one in present if "." in one}
    return any(new.keys() - usual for new, _ in counts)


def _oddity(after: bytes, before: bytes) -> int:
    """Return how many oddities, which nobody writes, a text has that were not there before."""
    now, old = (Counter(_oddities(ast.parse(text.decode()))) for text in (after, before))
    return (now - old).total()


def _oddities(tree: ast.Module) -> Iterator[str]:
    """Yield the oddities of a program, each with its function."""
    waiting: list[tuple[ast.AST, str, Set[str]]] = [(tree, "", set())]
    bent = set(_over_their_origin(tree))
    while waiting:
        node, where, made = waiting.pop()
        odd = _odd(node, made)
        if odd or (isinstance(node, ast.BinOp) and ast.unparse(node) in bent):
            yield f"{where}: {odd or 'a bent value over what it is made of'}"
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            where, made = node.name, made | _made_in(node)
        waiting += [(inner, where, made) for inner in ast.iter_child_nodes(node)]


def _over_their_origin(tree: ast.Module) -> Iterator[str]:
    """Yield quotients that are slopes by chance: `a / z`, where `a` is `np.where(z > 0, z, 0)`."""
    simple = [one for one in ast.walk(tree) if isinstance(one, ast.Assign)]
    made = {ast.unparse(one.targets[0]): one.value for one in simple if len(one.targets) == 1}
    for name, value in made.items():
        match value:
            case ast.Call(called, arguments) if KINK.search(ast.unparse(called)):
                inside = {ast.unparse(one) for whole in arguments for one in ast.walk(whole)}
                inside |= {f"({ast.unparse(made[one])})" for one in inside & made.keys()}
                yield from (f"{name} / {one}" for one in inside)


def _idle(text: bytes) -> Counter[tuple[str, str]]:
    """Return the names that functions make and do not read, each with its function.

    They are never read, or given another value before they are.
    """
    every = [*ast.walk(ast.parse(text))]
    functions = (one for one in every if isinstance(one, ast.FunctionDef | ast.Module))
    never = [(getattr(one, "name", ""), name) for one in functions for name in unread_in(one)]
    blocks = [one for node in every if isinstance(one := getattr(node, "body", None), list)]
    return Counter([*never, *(("", name) for block in blocks for name in _overwritten(block))])


def _overwritten(block: Sequence[ast.AST]) -> Iterator[str]:
    """Yield the names that one statement of a block makes and a later one makes anew, unread."""
    made = set[str]()
    for statement in block:
        names = [one for one in ast.walk(statement) if isinstance(one, ast.Name)]
        made -= {one.id for one in names if isinstance(one.ctx, ast.Load)}
        match statement:
            case ast.Assign([ast.Name(name)]):
                yield from {name} & made
                made.add(name)
            case _:
                made -= {one.id for one in names}


def _made_in(function: ast.AST) -> set[str]:
    """Return the names that a function assigns."""
    return {
        node.id
        for one in ast.walk(function)
        if isinstance(one, ASSIGNING)
        for target in getattr(one, "targets", [getattr(one, "target", one)])
        for node in ast.walk(target)
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
    }


def _odd(node: ast.AST, made: Set[str]) -> str:
    """Return what is odd in a node, or ""; `made` are the names that the function assigns."""
    match node:
        case ast.BinOp(_, ast.Mult() | ast.Div()) if is_roundabout(ast.unparse(node)):
            return "what takes back what it does"
        case ast.BinOp(_, ast.Div(), ast.Constant(value)):
            return f"/ {value!r}"
        case ast.BinOp(left, ast.Div(), right) if _divides_by(left, right):  # as `a / b**2`
            return f"/ {ast.unparse(right)} twice"
        case ast.BinOp(ast.Subscript(ast.Attribute(attr="shape")), _, ast.Constant()):
            return "a size times a number"
        case ast.Compare(ast.Compare()):
            return "a comparison compared"
        case ast.UnaryOp(operand=ast.Constant(0)):
            return "the sign of 0"
        case ast.BinOp(right=operand) | ast.AugAssign(value=operand) if _is_signed(operand):
            return "a sign after another"
        case ast.BinOp(ast.BinOp(op=ast.Div()), ast.MatMult()):  # people write `a @ b / n`
            return "a quotient before a product"
        case (
            ast.BinOp(_, ast.Add() | ast.Sub(), ast.Constant(0))
            | ast.BinOp(ast.Constant(0), ast.Add(), _)
            | ast.BinOp(_, ast.Mult() | ast.Pow(), ast.Constant(1))
            | ast.BinOp(ast.Constant(0 | 1), ast.Mult(), _)
        ):
            return "a number that changes nothing"
        case ast.BinOp(left, ast.Sub(), ast.BinOp(base, ast.Pow(), ast.Constant(2))) if _are_same(
            left, base
        ):  # people write `a * (1 - a)`
            return "a term less its square"
        case ast.Call(args=arguments) if len({*map(ast.dump, arguments)}) < len(arguments):
            return "an argument twice"
        case ast.Call(
            args=[ast.BinOp(left, ast.Add() | ast.Sub(), right), ast.Attribute(value, "T")]
        ) if _are_same(value, left) or _are_same(value, right):
            return "a term times itself"  # `np.dot(a - b, b.T)`
        case ast.Tuple(items):
            names = [item.id for item in items if isinstance(item, ast.Name)]
            return f"{names} twice" if len(names) > len(set(names)) else ""
        case ast.keyword("out"):
            return "out"
        case ast.Call(ast.Name("len"), [ast.Name(sized)]) | ast.Attribute(
            ast.Name(sized), "shape" | "size"
        ) if sized in made:
            return f"size of {sized}"
    return _odd_operation(node)


def _odd_operation(node: ast.AST) -> str:
    match node:
        case ast.AugAssign(target, ast.Add() | ast.Sub(), value) if any(
            ast.unparse(target) == ast.unparse(term) for term in terms_of(value)
        ):  # people write `a = b` for `a += b - a`
            return "a sum less itself"
        case ast.AugAssign(target, ast.Add() | ast.Sub(), value) if any(
            isinstance(one, ast.BinOp)
            and isinstance(one.op, ast.Div)
            and ast.unparse(one.right) == ast.unparse(target)
            for one in ast.walk(value)
        ):
            return "a sum with what is divided by it"
        case ast.Subscript(slice=index) if any(
            isinstance(one, ast.BinOp)
            and isinstance(one.op, ast.Sub)
            and {type(one.left), type(one.right)} == {ast.Name}
            for one in getattr(index, "elts", [index])
        ):  # `t - T` counts from the end, as `t` does from the beginning
            return "a difference of names as an index"
        case ast.BinOp(left, ast.Add() | ast.Sub(), right) if _is_factor(left, right):
            return "a term beside its product"  # people write `a * (1 + b)`
        case ast.BinOp(ast.Call(called), ast.Add() | ast.Sub()) if ast.unparse(called).endswith(
            ("zeros", "zeros_like")
        ):
            return "zeros that change nothing"
        case ast.BinOp(ast.BinOp(ast.Constant(1), ast.Div()), ast.Pow()):  # `1 / a**2`
            return "the power of a quotient"
        case ast.BinOp(ast.BinOp(base, ast.Pow()), ast.Mult(), other) | ast.BinOp(
            other, ast.Mult(), ast.BinOp(base, ast.Pow())
        ) if _are_same(base, other):
            return "a power times its base"
        case ast.BinOp(_, ast.Mult(), ast.BinOp(_, ast.Mult())):
            return "a product in brackets"
    return ""


def _are_same(one: ast.expr, other: ast.expr) -> bool:
    return ast.dump(one) == ast.dump(other)


def _is_factor(product: ast.expr, factor: ast.expr) -> bool:
    """True if a product has a factor that is not its only one."""
    match product:
        case ast.BinOp(left, ast.Mult(), right):
            either = (left, right)
            return any(_are_same(one, factor) or _is_factor(one, factor) for one in either)
    return False


def _divides_by(whole: ast.expr, divisor: ast.expr) -> bool:
    """True if a product is already divided by an expression."""
    match whole:
        case ast.BinOp(left, ast.Div(), right):
            base = right.left if isinstance(right, ast.BinOp) else right  # of a power
            return _are_same(base, divisor) or _divides_by(left, divisor)
        case ast.BinOp(left, ast.Mult(), right):
            return _divides_by(left, divisor) or _divides_by(right, divisor)
    return False


def _is_signed(operand: ast.expr) -> bool:
    """True if the operand of an operator begins with a sign: `- -a / n`, `b += -a`."""
    while isinstance(operand, ast.BinOp) and isinstance(operand.op, ast.Mult | ast.Div):
        operand = operand.left
    return isinstance(operand, ast.UnaryOp)
