"""Refuse to write, remove or rename files, to start processes, to send data, and to exit.

A script may do such things by itself, and an edit may run code that never ran before (`if stale >
0: os.remove(...)`). Everything that reaches beyond the process is therefore refused, by Python's
audit hooks and, where no event is raised, by replacing the functions. `confinement` lets the
operating system refuse it a second time.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterable
from typing import Any, ClassVar, NoReturn

REFUSED = re.compile(
    r"os\.(chflags|chmod|chown|exec|fork|forkpty|kill|killpg|link|lockf|mkdir|posix_spawn|remove|"
    r"removexattr|rename|rmdir|setxattr|spawn|startfile|symlink|system|truncate|utime)|"
    r"(ftplib|http\.client|imaplib|smtplib|socket|syslog|urllib|winreg)\..*|pty\.spawn|"
    r"resource\.(prlimit|setrlimit)|signal\.pthread_kill|sqlite3\.connect|subprocess\.Popen|"
    r"webbrowser\.open"
)
"""Audit events of calls that leave a trace outside of the process."""

OF_C = re.compile(
    r"_?exit|abort|f?chmod(at)?|[fl]?chown(at)?|exec[lv]p?e?|v?fork|f?truncate|kill(pg)?|link(at)?|"
    r"mk(dir|fifo|nod)(at)?|popen|posix_spawnp?|ptrace|raise|remove|rename(at2?)?|rmdir|"
    r"[fl]?setxattr|symlink(at)?|syscall|system|unlink(at)?|[lf]?u?times?|utimensat"
)
"""What a library in C would do that, by the names that it has there."""

UNHEARD = re.compile(r"_exit|abort|mkfifo|mknod|nice|pidfd_open|sched_set\w+|setpriority")
"""Functions of `os` that raise no audit event."""

NETWORK = re.compile(r"call (socket|urllib)\.")

WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND


OF_EDITS = "an edit that is tried may not"


class HarmRefusedError(PermissionError):
    """Code tried to do something outside of its process."""


class Refusals:
    """Refuses such calls from now on, until the process ends.

    Args:
        scopes: the globals of the user's functions, in which the functions are replaced, too.
        sentence: the beginning of the message; the refused call follows.

    Attributes:
        count: the number of candidates that were refused something.
        last: the message of the last refusal.
        are_of_edits: whether the process tries edits, and may therefore start no check.
        here: the refusals of this process, None if it is not confined; a forked process asks for
            its parent's before it confines itself.
    """

    here: ClassVar[Refusals | None] = None

    def __init__(self, scopes: Iterable[dict[str, Any]], sentence: str = OF_EDITS) -> None:
        self.count = 0
        self.last = ""
        self.are_of_edits = sentence == OF_EDITS
        self._sentence = sentence
        self._refused = False
        self._allowed: set[str] = set()
        replaced = {id(own): name for name, own in vars(os).items() if UNHEARD.fullmatch(name)}
        for scope in [vars(os), *scopes]:
            for name, value in list(scope.items()):
                if id(value) in replaced:
                    scope[name] = self._instead_of(replaced[id(value)])
        sys.dont_write_bytecode = True
        sys.addaudithook(self._hear)
        Refusals.here = self

    @property
    def of_a_download(self) -> bool:
        """Whether the network was what the last call was refused."""
        return bool(NETWORK.search(self.last))

    def happened(self) -> bool:
        """Whether anything was refused since the last call; if so, count the candidate."""
        refused, self._refused = self._refused, False
        self.count += refused
        return refused

    def _hear(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event in self._allowed:  # every call of `id` is heard
            return
        if event == "open":
            flags = arguments[2]
            if isinstance(flags, int) and flags & WRITING and arguments[0] != os.devnull:
                self._refuse(f"write to {arguments[0]!r}")
        elif event == "ctypes.dlsym" and OF_C.fullmatch(str(arguments[1])):
            self._refuse(f"call {arguments[1]} of a library in C")
        elif REFUSED.fullmatch(event):
            self._refuse(f"call {event}")
        elif event != "ctypes.dlsym":
            self._allowed.add(event)

    def _instead_of(self, name: str) -> Any:
        def refused(*_: object, **__: object) -> NoReturn:
            self._refuse(f"call os.{name}")

        return refused

    def _refuse(self, what: str) -> NoReturn:
        sentence = f"{self._sentence} {what}"
        if not (self._refused and self.of_a_download):  # what follows one is its clean-up
            self.last = sentence
        self._refused = True
        raise HarmRefusedError(sentence)
