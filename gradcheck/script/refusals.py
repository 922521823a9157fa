"""The messages that say why a script cannot be taken apart, and what to do about it."""

from __future__ import annotations

import ast
import traceback
from collections.abc import Iterator, Sequence
from pathlib import Path as File

from gradcheck.casefiles import what_to_write
from gradcheck.script.bodies import SUMMED
from gradcheck.script.marks import Function, TrainingLoop
from gradcheck.script.passes import Passes
from gradcheck.script.reading import framework
from gradcheck.script.running import Run
from gradcheck.script.state import Path, label
from gradcheck.script.words import name_of, short

APPLIED = {"torch": "MyFunction.apply, None, inputs", "jax": "my_function, None, inputs"}
"""How a function with a backward pass of its own is given to `check_layer`, by package."""


def no_loop(run: Run) -> str:
    """Return the message for a script that ran to its end without training."""
    by_framework = _made_by_a_framework(run)
    if by_framework:
        return by_framework
    call = _uncalled(run.script.tree, run.marked.updating)
    why = loops_tried(run) or "no loop in it updates a float array"
    if call:
        return (
            f"no training loop was found ({why}), and nothing calls "
            f"{call.partition('.')[2] or call}: add `{call}` at its end, with a few made-up rows"
        )
    return f"no training loop was found ({why}); {what_to_write(run.names)}"


def no_loss(paths: Sequence[Path], watched: Sequence[str] = ()) -> str:
    """Return the message for a training loop without a loss; `watched` is what it only shows."""
    which = (
        f"--loss {' or '.join(watched)}, if that is it"
        if watched
        else "--loss NAME says which it is"
    )
    return (
        f"it updates {short(', '.join(map(label, paths)))}, but no loss was found: nothing in it "
        "that is called loss, cost or error depends on these, and no `output - target` does; "
        f"{which}"
    )


def no_loss_below(straight: TrainingLoop, paths: Sequence[Path]) -> str:
    """Return the message for gradients in straight code that are those of no loss."""
    return (
        f"{straight.lines} compute gradients of {short(', '.join(map(label, paths)))}, but no loss "
        "was found: --loss NAME|LINE says which number it is; the backward pass of a layer alone: "
        "gradcheck.check_layer"
    )


def loops_tried(run: Run) -> str:
    """Return why each loop that was reached is not the training loop."""
    tried = sorted(zip(run.marked.loops, run.passes, strict=False), key=_likelihood)
    reasons = [f"{one.place}: {passes.why}" for one, passes in tried if passes.why]
    return short("; ".join(reasons), 300)


def _likelihood(tried: tuple[TrainingLoop, Passes]) -> tuple[bool, bool]:
    """Sort key: a loop that only lacks a loss comes first, then one that updates in some passes."""
    return not tried[1].updated, tried[1].why != SUMMED


def it_raised(run: Run, error: Exception, in_loop: bool) -> str:
    """Return the message for a script that raised before an iteration could be checked."""
    if isinstance(error, FileNotFoundError):
        file = error.filename or str(error).removesuffix("not found.").strip()
        return (
            f"{file} not found, before any training loop: put the file there, or give the script a "
            "few made-up rows"
        )
    missing = isinstance(error, ModuleNotFoundError)
    has_own = run.marked.loops or run.marked.updating  # the latter also in modules not yet imported
    by_framework = "" if has_own else _made_by_a_framework(run)
    if by_framework:
        return by_framework
    where = "in its loop" if in_loop else "before any training loop"
    description = f"{type(error).__name__}: {short(error, 160)} ({places(run, error)})"
    hint = "; install it in the environment of gradcheck, or leave it out" if missing else ""
    return f"it raises {description}, {where}{hint}"


def _made_by_a_framework(run: Run) -> str:
    package = framework(run.script.text)
    if package is None:
        return ""
    arguments = f"({APPLIED[package]})" if package in APPLIED else ""
    return (
        f"{package} makes its gradients: there is none to check (a function with a backward pass "
        f"of your own: gradcheck.check_layer{arguments})"
    )


def places(run: Run, error: Exception) -> str:
    """Return the innermost place in the user's files, and the line of the script that led there."""
    script = run.script.path
    frames = [
        frame
        for frame in [*traceback.extract_tb(error.__traceback__), *_of_syntax(error)]
        if File(frame.filename).is_relative_to(script.parent)
    ]
    lines = [frame.lineno for frame in frames if File(frame.filename) == script]
    place = f"{script.name}:{lines[-1] if lines else 1}"
    if frames and File(frames[-1].filename) != script:
        inner = File(frames[-1].filename).relative_to(script.parent)
        return f"{inner}:{frames[-1].lineno}, from {place}"
    return place


def _of_syntax(error: Exception) -> Iterator[traceback.FrameSummary]:
    """Yield the place at which a file does not parse."""
    if isinstance(error, SyntaxError) and error.filename:
        yield traceback.FrameSummary(error.filename, error.lineno or 1, "")


def _uncalled(tree: ast.Module, updating: set[str]) -> str:
    """Return a call of an updating function that the script never uses; else "".

    Args:
        tree: the script.
        updating: the names of the functions that update a variable, or call one that does.
    """
    uses = (ast.Name, ast.Attribute)
    called = {name_of(node) for node in ast.walk(tree) if isinstance(node, uses)}
    for node in tree.body:
        inner = node.body if isinstance(node, ast.ClassDef) else [node]
        for one in inner:
            special = isinstance(one, Function) and one.name.startswith("__")
            if isinstance(one, Function) and not special and one.name in updating - called:
                if not isinstance(node, ast.ClassDef):
                    return f"{one.name}({_needed(one, 0)})"
                methods = {method.name: method for method in inner if isinstance(method, Function)}
                constructor = methods.get("__init__")
                return f"{node.name}({_needed(constructor, 1)}).{one.name}({_needed(one, 1)})"
    return ""


def _needed(function: Function | None, bound: int) -> str:
    """Return the required arguments, without the first `bound` ones."""
    if function is None:
        return ""
    names = [one.arg for one in (*function.args.posonlyargs, *function.args.args)]
    return ", ".join(names[bound : len(names) - len(function.args.defaults)])
