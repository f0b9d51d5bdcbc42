"""posix_spawn without the interpreter's lock.

`os.posix_spawn` keeps the lock until the child has become its program, half a millisecond in which no other thread
of the runner moves. The C function itself, called through ctypes, does not; where it cannot be had, Python's is used.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import lru_cache, partial

_SIGNALS = tuple(
    number for number in signal.valid_signals() if number not in (signal.SIGKILL, signal.SIGSTOP)
)
_SETSIGDEF, _SETSIGMASK, _SETSID = 0x04, 0x08, 0x80
_ROOM = 1024
"""Bytes for an opaque structure of the C library; the largest known has 336."""


class Inherited:
    """An environment that many starts have in common, as the system takes it."""

    def __init__(self, variables: Mapping[str, str]) -> None:
        self.variables = variables
        self._lines = dict(zip(variables, _lines(variables), strict=True))
        self._made = _array(len(self._lines))(*self._lines.values())

    def with_own(self, own: Mapping[str, str]) -> ctypes.Array[ctypes.c_char_p]:
        """Each `NAME=value`, and the end; a start's own stand for those of the same name."""
        lines = _lines(own)
        if not own.keys().isdisjoint(self._lines):
            return _strings({**self._lines, **dict(zip(own, lines, strict=True))}.values())
        count = len(self._made)
        found = _array(count + len(lines) + 1)()
        # Most are the same each time: their addresses are copied, and this object keeps what they point to.
        ctypes.memmove(found, self._made, ctypes.sizeof(self._made))
        for index, line in enumerate(lines, count):
            found[index] = line
        return found


def start(
    path: str,
    argv: Sequence[str],
    inherited: Inherited,
    env: Mapping[str, str],
    copies: Sequence[tuple[int, int]],
) -> int:
    """Start a program in a session of its own, with no signal ignored or blocked; its pid. OSError.

    `env` comes on top of what is inherited. `copies`: (descriptor here, descriptor there). All other descriptors are
    expected to close on exec.
    """
    if _native is not None:
        return _native.start(path, argv, inherited.with_own(env), tuple(copies))
    return os.posix_spawn(
        path,
        list(argv),
        {**inherited.variables, **env},
        file_actions=[(os.POSIX_SPAWN_DUP2, here, there) for here, there in copies],
        setsid=True,
        setsigmask=(),
        setsigdef=_SIGNALS,
    )


class _Native:
    """The C library's functions, and what is the same for many starts."""

    def __init__(self) -> None:
        # PyDLL for what takes no time: giving the lock away and taking it back would cost more.
        self._quick = ctypes.PyDLL(None)
        self._spawn = ctypes.CDLL(None).posix_spawn
        self._attributes = ctypes.create_string_buffer(_ROOM)
        signals = ctypes.create_string_buffer(_ROOM)
        self._quick.posix_spawnattr_init(self._attributes)
        self._quick.sigemptyset(signals)
        self._quick.posix_spawnattr_setsigmask(self._attributes, signals)
        for number in _SIGNALS:
            self._quick.sigaddset(signals, int(number))
        self._quick.posix_spawnattr_setsigdefault(self._attributes, signals)
        flags = ctypes.c_short(_SETSIGDEF | _SETSIGMASK | _SETSID)
        if self._quick.posix_spawnattr_setflags(self._attributes, flags):
            raise OSError("posix_spawn cannot start a session")
        # Descriptors come back, and with them the same copies.
        self._copying = lru_cache(maxsize=256)(partial(_Copying, self._quick))

    def start(
        self,
        path: str,
        argv: Sequence[str],
        env: ctypes.Array[ctypes.c_char_p],
        copies: tuple[tuple[int, int], ...],
    ) -> int:
        # Held until the start is over: another thread may put it out of the cache meanwhile.
        copying = self._copying(copies)
        pid = ctypes.c_int()
        error = self._spawn(
            ctypes.byref(pid),
            os.fsencode(path),
            copying.actions,
            self._attributes,
            _strings(_encoded(argv)),
            env,
        )
        if error:
            raise OSError(error, os.strerror(error))
        return pid.value


class _Copying:
    """Which descriptors a start copies, as the C library takes it: told once, for it looks up a limit at each."""

    def __init__(self, library: ctypes.PyDLL, copies: tuple[tuple[int, int], ...]) -> None:
        self._destroy = library.posix_spawn_file_actions_destroy
        self.actions = ctypes.create_string_buffer(_ROOM)
        library.posix_spawn_file_actions_init(self.actions)
        for here, there in copies:
            library.posix_spawn_file_actions_adddup2(self.actions, here, there)

    def __del__(self) -> None:
        self._destroy(self.actions)


def _lines(variables: Mapping[str, str]) -> list[bytes]:
    return _encoded(map("=".join, variables.items()))


def _encoded(texts: Iterable[str]) -> list[bytes]:
    # All at once: an environment has dozens of variables. None of them can hold the separator.
    given = list(texts)
    found = os.fsencode("\0".join(given)).split(b"\0") if given else []
    if len(found) != len(given):
        raise ValueError("embedded null byte")
    return found


def _strings(lines: Collection[bytes]) -> ctypes.Array[ctypes.c_char_p]:
    return _array(len(lines) + 1)(*lines, None)


@lru_cache(maxsize=64)
def _array(length: int) -> type[ctypes.Array[ctypes.c_char_p]]:
    # Kept: ctypes makes the type anew where nobody does.
    return ctypes.c_char_p * length


def _load() -> _Native | None:
    if not sys.platform.startswith("linux"):
        return None
    try:
        return _Native()
    except (OSError, AttributeError):
        return None


_native = _load()
