"""Following the user's own computation to the place where a gradient goes wrong.

The way of the data:

    functions, points -> tapes -> adjoints -> quantities -> replacements -> causes -> faults

Each step is a room, and imports run down this list only:

- `record` follows the user's functions and notes on a tape what they do, where, and with what;
- `adjoints` differentiates the loss's tape: what is known of the loss at several points;
- `locating` looks on the gradient's tape for the earliest value that, replaced by a known quantity,
  makes the gradient right;
- `wording` reads the user's source for names;
- `causes` says why the value there is wrong;
- `faults` makes a `Fault` (`fault`) of it for each bug, those included that no replacement shows.
  The operations of a small automatic differentiation are searched one by one, each with its runs.

`find` has the door.

The numeric gradient stays the judge: the adjoints are compared with differences of the user's own
loss before they are used, and a mended gradient is given to the caller's judge.
"""

from __future__ import annotations

from gradcheck.trace.adjoints.of_the_loss import without_guards
from gradcheck.trace.adjoints.of_the_step import (
    Entering,
    decayed_blocks,
    fewest_updates,
    gradients_that_enter,
)
from gradcheck.trace.adjoints.points import Subject, computed_blocks
from gradcheck.trace.adjoints.subjects import subject_of_problem
from gradcheck.trace.causes.penalties import penalised_blocks
from gradcheck.trace.fault import Fault, Search
from gradcheck.trace.find import ROUNDS, find_faults
from gradcheck.trace.record.calling import FORGIVEN, trace_call
from gradcheck.trace.wording.held import targets_of, with_targets_held

__all__ = [
    "FORGIVEN",
    "ROUNDS",
    "Entering",
    "Fault",
    "Search",
    "Subject",
    "computed_blocks",
    "decayed_blocks",
    "fewest_updates",
    "find_faults",
    "gradients_that_enter",
    "penalised_blocks",
    "subject_of_problem",
    "targets_of",
    "trace_call",
    "with_targets_held",
    "without_guards",
]
