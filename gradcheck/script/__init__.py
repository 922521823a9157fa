"""Find one iteration of the training loop of an unmodified script, and make it a case.

`reading` parses the script. `instrument` adds marks (`marks`) around all that could be its training
loop, loss or learning rate, also in the user's modules that it imports (`imported`). `running` runs
it up to the loop, in a process of its own (`playground`), and replays an iteration
(`bodies`) from a copy of the variables (`state`). `loops` and `rates` find by experiment which loop
is a training step, its parameters and its rate; `losses` and `choice` find the loss, `gradients`
the gradients. `taking` combines these, `handover` makes the case, `saying` describes
it, and `writing` writes a case file. Scripts that raise (`raising`), have no loop (`straight`),
call scipy (`minimised`) or cannot be run (`definitions`) are treated separately.
"""

from gradcheck.script.definitions import definitions
from gradcheck.script.entry import ScriptEntry
from gradcheck.script.targets import find_targets, passed_over
from gradcheck.script.writing import ScriptCase, check_script, write_case

__all__ = [
    "ScriptCase",
    "ScriptEntry",
    "check_script",
    "definitions",
    "find_targets",
    "passed_over",
    "write_case",
]
