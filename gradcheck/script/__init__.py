"""An unmodified training script: one iteration of its loop is found, and made a case.

`reading` parses the script and `instrument` marks (`marks`) what could be its loop, loss and rate,
also in modules of its own that it imports (`imported`). `running` runs it up to the loop, in a
process of its own (`process`, `playground`), and replays one iteration (`bodies`) from a copy of
what the script holds (`state`). `loops` and `rates` tell by experiments which loop is a step and
what its parameters and rate are, `losses` and `choice` what it descends, `gradients` and `named`
where its gradients are; `taking` puts that together, `handover` makes the case, `saying` says it,
and `writing` writes it down. Ways of their own have scripts that raise (`raising`), have no loop
(`straight`), call scipy (`minimised`), or cannot be run (`definitions`).
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
