"""posix_spawn without the interpreter's lock.

`os.posix_spawn` keeps the lock until the child has become its program, half a millisecond in which no other thread
of the runner moves. The C function itself, called through ctypes, does not; where it cannot be had, Python's is used.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from collections.abc import Mapping, Sequence

_SIGNALS = tuple(
    number for number in signal.valid_signals() if number not in (signal.SIGKILL, signal.SIGSTOP)
)
_SETSIGDEF, _SETSIGMASK, _SETSID = 0x04, 0x08, 0x80
_ROOM = 1024
"""Bytes for an opaque structure of the C library; the largest known has 336."""


def start(path: str, argv: Sequence[str], env: Mapping[str, str], copies: Sequence[tuple[int, int]]) -> int:
    """Start a program in a session of its own, with no signal ignored or blocked; its pid. OSError.

    `copies`: (descriptor here, descriptor there). All other descriptors are expected to close on exec.
    """
    if _native is not None:
        return _native.start(path, argv, env, copies)
    return os.posix_spawn(
        path,
        list(argv),
        env,
        file_actions=[(os.POSIX_SPAWN_DUP2, here, there) for here, there in copies],
        setsid=True,
        setsigmask=(),
        setsigdef=_SIGNALS,
    )


class _Native:
    """The C library's functions, and the attributes that are the same for every start."""

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

    def start(
        self, path: str, argv: Sequence[str], env: Mapping[str, str], copies: Sequence[tuple[int, int]]
    ) -> int:
        actions = ctypes.create_string_buffer(_ROOM)
        self._quick.posix_spawn_file_actions_init(actions)
        try:
            for here, there in copies:
                self._quick.posix_spawn_file_actions_adddup2(actions, here, there)
            pid = ctypes.c_int()
            error = self._spawn(
                ctypes.byref(pid),
                os.fsencode(path),
                actions,
                self._attributes,
                _strings(argv),
                _strings([f"{name}={value}" for name, value in env.items()]),
            )
        finally:
            self._quick.posix_spawn_file_actions_destroy(actions)
        if error:
            raise OSError(error, os.strerror(error))
        return pid.value


def _strings(texts: Sequence[str]) -> ctypes.Array[ctypes.c_char_p]:
    # Encoded all at once: an environment has dozens of variables. None of them can hold the separator.
    found = os.fsencode("\0".join(texts)).split(b"\0") if texts else []
    if len(found) != len(texts):
        raise ValueError("embedded null byte")
    return (ctypes.c_char_p * (len(found) + 1))(*found, None)


def _load() -> _Native | None:
    if not sys.platform.startswith("linux"):
        return None
    try:
        return _Native()
    except (OSError, AttributeError):
        return None


_native = _load()
