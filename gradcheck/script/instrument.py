"""Add marks to the syntax tree of a script, where its loops begin and its loss or rate may be.

A mark is a call of `__gradcheck__` around an expression or beside a statement. It keeps all
positions, so that the marked script behaves as before, at the same lines and columns.
"""

from __future__ import annotations

import ast
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from gradcheck.mending.marks import (
    HOOKS,
    SCALED,
    SEE,
    USED,
    called,
    marked_difference,
    one_taken,
    placed,
)
from gradcheck.script.marks import (
    APPENDED,
    ASSIGNED,
    DIFFERENCE,
    INCREMENT,
    LITERAL,
    RETURNED,
    SHARE,
    USE,
    Function,
    Marked,
    Site,
    TrainingLoop,
)
from gradcheck.script.parts import (
    Operands,
    adds_loss,
    as_hook,
    called_losses,
    complete,
    differentiated,
    is_total,
    local_losses,
    may_skip,
    reads_by_name,
    single,
    variables_in,
)
from gradcheck.script.printing import printed
from gradcheck.script.projections import mark_projections
from gradcheck.script.searched import local_rates, searching
from gradcheck.script.unrolled import unroll
from gradcheck.script.updates import augmented, first_term, is_update, last_term
from gradcheck.script.updating import may_train, updating
from gradcheck.script.watched import watched_in
from gradcheck.script.words import RATE, is_slope, losses_in_mean, may_be_loss, name_of, text_in


def mark(tree: ast.Module, others: Sequence[ast.Module], wanted: str | None) -> Marked:
    """Mark the tree of a script, which imports `others`; `wanted` is the loss, if known."""
    marked = Marked(wanted=wanted, updating=updating([tree, *others]))
    mark_more(tree, marked)
    return marked


def mark_more(tree: ast.Module, marked: Marked, module: str = "", file: str = "") -> None:
    """Mark the tree of one module in place; of imported modules, only loops inside functions."""
    unroll(tree, marked.updating)
    mark_projections(tree, marked, file)
    marker = _Marker(tree, marked, module, file)
    before, is_plain = len(marked.loops), reads_by_name(tree)
    tree.body = marker.block(tree.body)
    complete(marked.loops[before:], tree, is_plain)
    ast.fix_missing_locations(tree)


class _Marker(ast.NodeTransformer):
    def __init__(self, tree: ast.Module, marked: Marked, module: str, file: str) -> None:
        self.marked = marked
        self._module, self._file = module, file
        self._functions = {node.name for node in ast.walk(tree) if isinstance(node, Function)}
        self._function: Function | None = None
        self._class: str | None = None
        self._in_loop, self._may_skip, self._watched = False, False, set[str]()
        self._differentiated, self._searching = differentiated(tree), searching(tree)
        self._operands = self._of([one for one in tree.body if not isinstance(one, Function)])

    def block(self, statements: Sequence[ast.stmt]) -> list[ast.stmt]:
        """Return the statements with marks in and between them."""
        marked: list[ast.stmt] = []
        for statement in statements:
            visited = self.visit(statement)
            marked += visited if isinstance(visited, list) else [visited]
        return marked

    def _number(self, site: Site) -> ast.Constant:
        line, name = (self._function.lineno, self._function.name) if self._function else (0, "")
        self.marked.sites.append(replace(site, file=self._file, function=line, within=name))
        return ast.Constant(len(self.marked.sites) - 1)

    def _see(self, kind: str, name: str, value: ast.expr, like: Any) -> Any:
        within = self._function if kind == RETURNED else None
        parts = local_losses(within, value) if within else called_losses(value)
        is_watched = name in self._watched and not may_be_loss(name)
        site = Site(kind, name, like.lineno, ast.unparse(value), parts=parts, is_watched=is_watched)
        return called(SEE, [self._number(site), self.visit(value)], like)

    def visit_FunctionDef(self, node: Any) -> Any:
        """Mark a function, with a scope of its own."""
        outside = self._function, self._in_loop, self._operands
        self._function, self._in_loop, self._operands = node, False, self._of(node.body)
        node.body = self.block(node.body)
        self._function, self._in_loop, self._operands = outside
        return node

    visit_AsyncFunctionDef = visit_FunctionDef  # noqa: N815

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.ClassDef:
        """Mark the methods of a class."""
        outside, self._class = self._class, node.name
        node.body = [
            self.visit(one) if isinstance(one, Function | ast.ClassDef) else one
            for one in node.body
        ]
        self._class = outside
        return node

    def _loop(self, node: Any) -> Any:
        candidate = may_train(node, self.marked.updating)
        if isinstance(node, ast.While):
            node.test = self.visit(node.test)
        outside, self._watched = (self._in_loop, self._may_skip), self._watched | watched_in(node)
        self._in_loop, self._may_skip = True, may_skip(node)
        body = self.block(node.body)
        self._in_loop, self._may_skip = outside
        node.body, node.orelse = body, self.block(node.orelse)
        if candidate and (self._function or not self._module):
            number = ast.Constant(len(self.marked.loops))
            within = self._class if self._function else None
            loop = TrainingLoop(node, body, self._function, within, self._module, self._file)
            self.marked.loops.append(loop)
            variables = placed(ast.Call(ast.Name("locals", ast.Load()), [], []), node)
            probe = called("probe", [number, variables], node)
            node.body = [placed(ast.Expr(probe), node), *body]
        return node

    visit_For = visit_While = _loop  # noqa: N815

    def visit_comprehension(self, node: Any) -> Any:
        """Leave comprehensions, which may hold no marks, and f-strings that are not printed."""
        return node

    visit_JoinedStr = visit_comprehension  # noqa: N815

    def visit_Assign(self, node: Any) -> Any:
        """Add a mark after an assignment to a variable named like a loss, or beside `p[y] -= 1`."""
        difference = one_taken(node)
        if difference:
            text = ast.unparse(difference)
            number = self._number(Site(DIFFERENCE, text, node.lineno, text, value=1.0))
            return [placed(ast.Expr(marked_difference(number, difference)), node), node]
        seen: list[ast.stmt] = []
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        parts, reads = called_losses(node.value), variables_in(node.value)
        within = self._function.name if self._function else ""
        for one in single(targets):
            name = ast.unparse(one)
            is_certain = name in self._differentiated
            is_sum = adds_loss(node) or (bool(parts) and isinstance(one, ast.Name))
            is_named = self.marked.is_wanted(name, node.lineno) or is_certain or is_sum
            is_named = is_named or (may_be_loss(name_of(one)) and not is_slope(one, within))
            if is_named or name in self._watched:
                text = "+=" if isinstance(node, ast.AugAssign) else "+" * is_total(node.value)
                site = Site(ASSIGNED, name, node.lineno, text, parts=parts, reads=reads)
                site = replace(site, may_skip=text == "+=" and self._may_skip)
                site = replace(site, is_differentiated=is_certain, is_watched=not is_named)
                number = self._number(site)
                if isinstance(one, ast.Subscript) and node.__dict__.get("targets") == [one]:
                    node.value = called(SEE, [number, node.value], node)  # it is stored as a number
                else:
                    see = called(SEE, [number, ast.parse(name, mode="eval").body], node)
                    seen.append(placed(ast.Expr(see), node))
        if is_update(node):
            node.value = self._updated(node, targets[0], node.value)
        elif any(name_of(target) in self._operands.rates for target in targets):
            node.value = self._operands.visit(node.value)
        node.value = self.visit(node.value)
        return [node, *seen]

    visit_AugAssign = visit_Assign  # noqa: N815

    def _updated(self, node: Any, target: Any, value: Any) -> Any:
        """Return the value of an update with the numbers in it, and its increment, marked."""
        first = ast.unparse(target if isinstance(node, ast.AugAssign) else first_term(value))
        value = self._operands.visit(value)
        sign = "+" * isinstance(getattr(node, "op", getattr(value, "op", None)), ast.Add)
        what = Site(INCREMENT, ast.unparse(target), node.lineno, sign, reads=frozenset({first}))
        last = value if isinstance(node, ast.AugAssign) else last_term(value)
        if last is None:
            return value
        marked = called(SCALED, [self._number(what), last], last)
        if last is value:
            return marked
        if isinstance(value, ast.Call):
            value.args[1] = marked
        else:
            value.right = marked
        return value

    def visit_Expr(self, node: Any) -> Any:
        """Mark an update by `setattr`, `append` or `np.add.at`."""
        if is_update(node):
            whole, values = augmented(node), node.value.args
            values[-1] = self._updated(whole, getattr(whole, "target", node.value.func), values[-1])
        return self.generic_visit(node)

    def _of(self, body: Sequence[ast.stmt]) -> Operands:
        return Operands(self._literal, self._use, local_rates(body, self._searching))

    def _use(self, node: Any) -> Any:
        number = self._number(Site(USE, ast.unparse(node), node.lineno, ""))
        return called(USED, [number, node], node)

    def _literal(self, node: ast.Constant, kind: Any = float) -> Any:
        if not isinstance(node.value, kind) or node.value <= 0:
            return node
        site = Site(LITERAL, f"{node.value:g}", node.lineno, "", float(node.value))
        return called(SCALED, [self._number(site), ast.Constant(node.value)], node)

    def visit_Return(self, node: ast.Return) -> ast.Return:
        """Mark the return value of a function named like a loss."""
        if node.value is not None:
            if isinstance(node.value, ast.Tuple):
                node.value.elts = [self._returned(one) for one in node.value.elts]
            else:
                node.value = self._returned(node.value)
            name = self._function.name if self._function else ""
            items = node.value.elts if isinstance(node.value, ast.Tuple) else []
            first = items[0] if items else node.value
            parts = self._function and local_losses(self._function, first)
            is_loss = parts or may_be_loss(name) or self.marked.is_wanted(f"{name}()", node.lineno)
            if is_loss and not isinstance(first, ast.Starred):
                seen = self._see(RETURNED, f"{name}()", first, node)
                if items:
                    items[:] = [seen, *(self.visit(item) for item in items[1:])]
                else:
                    node.value = seen
            else:
                node.value = self.visit(node.value)
        return node

    def _returned(self, value: ast.expr) -> Any:
        """Return what a function returns; of an update, `w - rate * g`, with its marks."""
        is_moved = is_update(ast.Return(value))
        return self._updated(value, first_term(value), value) if is_moved else value

    def visit_Call(self, node: ast.Call) -> Any:
        """Mark values that are appended or printed, and numbers passed to functions."""
        name, parts = name_of(node.func), losses_in_mean(node, self._watched)
        text = ast.unparse(node) if parts else ""
        if name == "append" and isinstance(node.func, ast.Attribute) and len(node.args) == 1:
            owner = name_of(node.func.value)
            if may_be_loss(owner) or owner in self._watched:
                node.args = [self._see(APPENDED, owner, node.args[0], node)]
                return node
        if name == "print":
            said = text_in(node)
            is_loss = may_be_loss(said) and "acc" not in said.lower()
            node.args = [printed(one, is_loss, self._see, self.visit) for one in node.args]
            return node
        if self._in_loop and name in self._functions and HOOKS not in ast.unparse(node.func):
            node.args = [
                self._literal(one) if isinstance(one, ast.Constant) else one for one in node.args
            ]
        for keyword in node.keywords if self._in_loop else []:
            if isinstance(keyword.value, ast.Constant) and RATE.match(keyword.arg or ""):
                keyword.value = self._literal(keyword.value, int | float)
        self.generic_visit(node)
        return self._mean(node, text, parts) if parts else as_hook(node, self._functions)

    def _mean(self, node: Any, text: str, parts: frozenset[str]) -> Any:
        is_watched = not any(map(may_be_loss, parts))
        site = Site(SHARE, text, node.lineno, text, parts=parts, is_watched=is_watched)
        return called(SEE, [self._number(site), node], node)

    def visit_BinOp(self, node: ast.BinOp) -> Any:
        """Mark a share of a loss, and a difference, which may be an error `output - target`."""
        text = ast.unparse(node)
        self.generic_visit(node)
        of_numbers = any(isinstance(side, ast.Constant) for side in (node.left, node.right))
        if parts := losses_in_mean(node, self._watched):
            return self._mean(node, text, parts)
        if not isinstance(node.op, ast.Sub) or HOOKS in text or of_numbers:
            return node  # with a hook, the operand is a marked increment
        return marked_difference(self._number(Site(DIFFERENCE, text, node.lineno, text)), node)
