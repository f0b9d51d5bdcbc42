"""The private door of a running service: one byte to its socket says that a request lies in the store.

A unix datagram socket with mode 0600 in the state directory: no network listener, nothing to parse.
"""

from __future__ import annotations

import contextlib
import os
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path


class Control:
    """Listens in a thread of its own and calls `poke` for each byte."""

    def __init__(self, path: Path, poke: Callable[[], None]) -> None:
        self._path = path
        self._poke = poke
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._thread = threading.Thread(target=self._listen, name="runner-control", daemon=True)
        self._closing = False

    def open(self) -> None:
        with contextlib.suppress(FileNotFoundError):
            self._path.unlink()
        with _short(self._path) as name:
            self._socket.bind(name)
        os.chmod(self._path, 0o600)
        self._thread.start()

    def _listen(self) -> None:
        while True:
            try:
                self._socket.recv(16)  # whatever it is, even nothing, it only wakes
            except OSError:
                return
            if self._closing:
                return
            self._poke()

    def close(self) -> None:
        self._closing = True
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        with contextlib.suppress(OSError):
            self._path.unlink()


def knock(path: Path) -> bool:
    """Wake the service behind this socket; False where nobody listens (its poll finds the request)."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as door:
        door.setblocking(False)
        try:
            with _short(path) as name:
                door.sendto(b"!", name)
        except OSError:
            return False
    return True


@contextlib.contextmanager
def _short(path: Path) -> Iterator[str]:
    """A name that fits a socket address (108 bytes) however long the path: through the open directory."""
    if len(os.fsencode(path)) < 100:
        yield str(path)
        return
    directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{directory}/{path.name}"
    finally:
        os.close(directory)
