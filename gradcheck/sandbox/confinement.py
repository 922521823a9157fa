"""Confine the process that runs candidates, as far as the operating system can.

The kernel refuses what Python's audit hooks do not see, such as a C library that writes: Landlock
(Linux 5.13) forbids to write, create, remove or execute any file. Pipes, sockets and files already
open for writing are redirected to the null device, and shared memory maps are made private.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import stat
from collections.abc import Iterator
from pathlib import Path

MORE_MEMORY = 2**32
"""Bytes of address space that a candidate may allocate on top of what the process has."""

CREATE_RULESET, RESTRICT_SELF = 444, 446
"""System calls of Landlock, the same on every architecture."""

ASK_VERSION = 1
READING = 1 << 2 | 1 << 3
RIGHTS = {1: 13, 2: 14, 3: 15, 4: 15}
"""Number of access rights to files that each Landlock version knows; later versions have 16."""

TCP, OUTSIDE = 0b11, 0b11
"""Rights to bind and connect TCP sockets; abstract sockets and signals to other processes."""

NO_NEW_PRIVILEGES = 38
PROT_READ, PROT_WRITE = 1, 2
MAP_PRIVATE, MAP_FIXED, MAP_ANONYMOUS = 2, 16, 32


def confine(keep: int, shared: int) -> None:
    """Limit the resources of this process, and take away everything that it could write to.

    Exceptions are the descriptor `keep` and the memory at the address `shared`, used for answers.
    """
    _share_nothing(keep)
    _limit()
    with contextlib.suppress(OSError, AttributeError, ValueError):  # requires a recent Linux
        libc = ctypes.CDLL(None, use_errno=True)
        _map_privately(libc, shared)
        _restrict(libc)


def _share_nothing(keep: int) -> None:
    """Redirect the input, pipes, sockets and files open for writing to the null device.

    `keep` is excepted. Files that are only read are opened anew, since a fork shares their
    positions and locks.
    """
    import fcntl  # missing on systems without fork, which are refused earlier

    nowhere = os.open(os.devnull, os.O_RDWR)
    try:
        opened = [int(name) for name in os.listdir("/proc/self/fd")]
    except OSError:
        opened = list(range(256))
    for descriptor in {0, 1, 2, *opened} - {keep, nowhere}:
        with contextlib.suppress(OSError):
            mode, access = os.fstat(descriptor).st_mode, fcntl.fcntl(descriptor, fcntl.F_GETFL)
            reads_only = access & os.O_ACCMODE == os.O_RDONLY and descriptor != 0
            if not reads_only or stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode):
                os.dup2(nowhere, descriptor)
            elif stat.S_ISREG(mode):
                own = os.open(f"/proc/self/fd/{descriptor}", os.O_RDONLY)
                os.lseek(own, os.lseek(descriptor, 0, os.SEEK_CUR), os.SEEK_SET)
                os.dup2(own, descriptor)
                os.close(own)


def _limit() -> None:
    """Limit the address space; forbid files to grow, and core dumps."""
    import resource

    def at_most(kind: int, most: int) -> None:
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(kind, (most, resource.getrlimit(kind)[1]))

    at_most(resource.RLIMIT_CORE, 0)
    at_most(resource.RLIMIT_FSIZE, 0)
    with contextlib.suppress(OSError, ValueError):
        pages = int(Path("/proc/self/statm").read_text().split()[0])
        at_most(resource.RLIMIT_AS, pages * resource.getpagesize() + MORE_MEMORY)


def _map_privately(libc: ctypes.CDLL, shared: int) -> None:
    """Replace shared memory maps by private copies, of files and of anonymous memory."""
    libc.mmap.restype = ctypes.c_void_p
    libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, *[ctypes.c_int] * 3, ctypes.c_int64]
    both, private = PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_FIXED
    for start, length, offset, path in _shared_maps():
        if start <= shared < start + length:
            continue
        try:
            file = os.open(path, os.O_RDONLY)
        except OSError:  # anonymous memory, or the file was deleted
            content = ctypes.string_at(start, length)
            libc.mmap(start, length, both, private | MAP_ANONYMOUS, -1, 0)
            ctypes.memmove(start, content, length)
        else:
            libc.mmap(start, length, both, private, file, offset)
            os.close(file)


def _shared_maps() -> Iterator[tuple[int, int, int, str]]:
    """Yield the start, length, file offset and path of each shared, writable map."""
    for line in Path("/proc/self/maps").read_text().splitlines():
        span, rights, offset, _, _, *path = line.split(maxsplit=5)
        if rights.startswith("rw") and rights.endswith("s") and path:
            start, end = (int(number, 16) for number in span.split("-"))
            yield start, end - start, int(offset, 16), path[0]


def _restrict(libc: ctypes.CDLL) -> None:
    """Let the kernel refuse all access to files except reading, and all outside contact."""
    version = libc.syscall(CREATE_RULESET, None, 0, ASK_VERSION)
    if version < 1:
        return
    file_rights = (1 << RIGHTS.get(version, 16)) - 1 & ~READING
    restrictions = [file_rights, TCP, OUTSIDE][: 1 + (version >= 4) + (version >= 6)]
    rules = (ctypes.c_uint64 * len(restrictions))(*restrictions)
    ruleset = libc.syscall(CREATE_RULESET, rules, ctypes.c_size_t(ctypes.sizeof(rules)), 0)
    if ruleset >= 0 and libc.prctl(NO_NEW_PRIVILEGES, 1, 0, 0, 0) == 0:
        libc.syscall(RESTRICT_SELF, ruleset, 0)
