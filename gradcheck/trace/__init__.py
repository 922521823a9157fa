"""Following the user's own computation to the place where a gradient goes wrong.

The way of the data:

    functions, points -> tapes -> adjoints -> quantities -> replacements -> faults

A run (`calling`) makes everything traced that the functions reach (`reach`), puts stand-ins for
numpy, math and float into the user's modules (`proxies`, `floats`), and leaves all as it was found.
Traced arrays (`array`) do every operation on the user's own memory and note it (`recording`,
`writing`, `storage`) on a tape (`nodes`), with its place and its callers (`places`, `assignments`).
Tensors of torch and arrays of jax are traced arrays too (`tensors`), and what the two libraries do
is done by numpy's functions where it has them (`library_functions`), as some of scipy's are
(`scipy_forms`); a sparse matrix is a dense one (`sparse`).

Both functions are followed at several points (`points`). Reverse mode on the loss's tape
(`reverse`, by the tables of `operations`, `products` and `reductions`, else by `differences`) gives
the adjoint of every value; with the values themselves and local derivatives these are what is known
(`quantities`, and over loops `series`). On the gradient's tape (`state`), whose wrong parts are
known (`outputs`, `view`), the earliest value is looked for (`search`, over the `units`) that,
replaced by a known quantity (`candidates`), makes wrong parts right at all points and spoils no
right one (`trial`; of several, `preferences` choose); a factor may be left out inside of it
(`left_out`). Most replacements are dismissed by random projections (`projections`, where
`linearity` allows it), the others are executed, first many at once (`batches`). A constant that
nobody can have meant (`meaning`) explains nothing.

What that says (`next_fault`) is read from the place (`blame`, `scales`, `returned`), the values
(`kinds`), what the two say of each other (`causes`, of what is `compared`), and the user's own
names (`words`, `operand_text`, from `sources`), and so is what to write there (`at_hand`, of what
is in `scope`). Faults of another kind are in `special` and
`passes` (with `loops`) and `raising` (with operands that do not fit: `misfits`). The result is a
`Fault` (`fault`) for each bug, and what each line of the gradient made (`backward`); and where the
gradient is exactly that of the loss with one operation changed (`doubts`, from `variants`, made by
`changes`), that too. `find` has the door. What a loss tells by itself is in `of_the_loss`
and `penalties`.

The numeric gradient stays the judge: the adjoints are compared with differences of the user's own
loss before they are used, and a mended gradient is given to the caller's judge.
"""

from __future__ import annotations

from gradcheck.trace.calling import trace_call
from gradcheck.trace.fault import BackwardStep, Fault, Search
from gradcheck.trace.find import find_faults
from gradcheck.trace.of_the_loss import may_be_dense, without_guards
from gradcheck.trace.penalties import penalised_blocks
from gradcheck.trace.points import Subject
from gradcheck.trace.subjects import subject_of_problem

__all__ = [
    "BackwardStep",
    "Fault",
    "Search",
    "Subject",
    "find_faults",
    "may_be_dense",
    "penalised_blocks",
    "subject_of_problem",
    "trace_call",
    "without_guards",
]
