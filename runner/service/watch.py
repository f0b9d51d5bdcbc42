"""Sees that configuration files changed, however they were written.

The directories are watched, not the files: editors and git replace files, and a watch on a file dies with it.
Contents are compared every few seconds as well, because a replaced bind mount makes no event. A change is handed
on once two reads 30 ms apart agree, so that a half-written file is seldom seen.
"""

from __future__ import annotations

import hashlib
import logging
import os
import stat
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

from watchfiles import watch

log = logging.getLogger("runner.watch")

SETTLE_SECONDS = 0.03
POLL_MILLISECONDS = 5_000
STEP_MILLISECONDS = 50
"""How often watchfiles asks whether an event has come: twenty short looks a second, outside the interpreter."""


def fingerprint(files: Sequence[Path]) -> str:
    """A digest of what the files hold; a missing file, and a directory, counts as such.

    A file named twice counts once: one that is found broken must not look as if it had changed.
    """
    digest = hashlib.sha256()
    for file in dict.fromkeys(files):
        digest.update(str(file).encode() + b"\0")
        try:
            digest.update(_content(file))
        except OSError as error:
            digest.update(f"\0{error.errno}".encode())
    return digest.hexdigest()


def _content(file: Path) -> bytes:
    """What a file holds; of what is none (a pipe, a device) nothing, and nobody waits for it."""
    with open(file, "rb", opener=lambda name, flags: os.open(name, flags | os.O_NONBLOCK)) as opened:
        return opened.read() if stat.S_ISREG(os.fstat(opened.fileno()).st_mode) else b""


class Watcher:
    """Calls `changed` (in its own thread) whenever the files hold something else than before."""

    def __init__(self, files: Callable[[], Sequence[Path]], changed: Callable[[], None]) -> None:
        self._files = files
        self._changed = changed
        self._stop = threading.Event()
        self._seen = fingerprint(files())
        self._thread = threading.Thread(target=self._watch, name="runner-watch", daemon=True)

    def open(self) -> None:
        self._thread.start()

    def close(self) -> None:
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(2)

    def _watch(self) -> None:
        while not self._stop.is_set():
            directories = self._directories()
            try:
                self._follow(directories)
            except (OSError, RuntimeError) as error:
                # A watched directory may vanish, or inotify have no watches left: polling still sees the change.
                log.debug("watching %s ended: %s", directories, error)
                self._stop.wait(POLL_MILLISECONDS / 1000)
                self._look()

    def _follow(self, directories: frozenset[Path]) -> None:
        """Look after each event and each quiet while, until other directories are to be watched."""
        changes = watch(
            *directories,
            watch_filter=None,
            debounce=STEP_MILLISECONDS,
            step=STEP_MILLISECONDS,
            rust_timeout=POLL_MILLISECONDS,
            yield_on_timeout=True,
            recursive=False,
            stop_event=self._stop,
            raise_interrupt=False,
        )
        for _ in changes:
            self._look()
            if self._directories() != directories:
                return

    def _look(self) -> None:
        seen = fingerprint(self._files())
        while seen != self._seen:
            if self._stop.wait(SETTLE_SECONDS):
                return
            again = fingerprint(self._files())
            if again == seen:
                self._seen = seen
                self._changed()
                return
            seen = again

    def _directories(self) -> frozenset[Path]:
        """Where the files lie, by name and behind their links: a ConfigMap swaps a link beside the link."""
        places = set()
        for file in self._files():
            places.add(file if file.is_dir() else file.parent)
            link = file
            while link.is_symlink():
                link = link.parent / link.readlink()
                places.add(link.parent)
        return frozenset(place for place in places if place.is_dir())
