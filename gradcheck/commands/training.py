"""`gradcheck train`: compare the training losses of the variants of a case."""

from __future__ import annotations

import argparse
from pathlib import Path

from gradcheck.commands.command import Command, tell
from gradcheck.report.outcome import UNDECIDED


def _train_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("case", metavar="CASE", help="a bundled case (xor, xor:published) or a file (checks.py)")
    add("--epochs", type=int, metavar="N", help="epochs (default: the case's own, or 100)")
    rate = "learning rate (default: the case's own, or 0.1)"
    add("--learning-rate", type=float, metavar="X", help=rate)
    add("--seed", type=int, default=0, metavar="N", help="seed of all random numbers")
    add("--plot", type=Path, metavar="FILE", help="save the curves (needs gradcheck[plots])")


def _train(options: argparse.Namespace) -> int:
    from gradcheck.pictures.curves import plot, require_plots, table
    from gradcheck.progress import progress_bar
    from gradcheck.train import INTERRUPTED, train_case

    if options.plot is not None:
        require_plots(options.plot)
    with progress_bar() as begin:
        curves = train_case(
            options.case,
            seed=options.seed,
            epochs=options.epochs,
            learning_rate=options.learning_rate,
            begin=begin,
        )
    print(table(curves))
    if options.plot is not None:
        plot(curves, options.plot)
        tell(f"the plot is in {options.plot}")
    if curves[-1].ended == INTERRUPTED:
        tell("interrupted; these are the curves so far")
        return UNDECIDED
    return 0 if any(curve.losses for curve in curves) else UNDECIDED


COMMAND = Command(
    "train the published and the fixed variant of a case, and compare their losses",
    _train,
    _train_arguments,
)
