"""A wall clock of a scene's own, which a test sets while runners run: libfaketime, with elapsed time left alone."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

_LIBRARIES = ("/usr/lib/*/faketime/libfaketimeMT.so.1", "/usr/local/lib/faketime/libfaketimeMT.so.1")
"""The build with a lock. The other one reads its file in each thread at once, and now and then one of them is given
the real time: 8 of 1,440,000 readings of four threads here, and none with the lock."""


def library() -> str:
    found = [str(path) for pattern in _LIBRARIES for path in Path("/").glob(pattern[1:])]
    if not found:
        pytest.skip("no libfaketime: Debian's package libfaketime is not installed")
    return found[0]


class WallClock:
    """Runners started with `environ` see this clock. It goes on at the usual pace from where it is set."""

    def __init__(self, directory: Path, at: str | None = None) -> None:
        self._file = directory / "clock"
        self._offset = 0
        if at is not None:
            self._offset = round(datetime.fromisoformat(at).replace(tzinfo=UTC).timestamp() - time.time())
        self._write()
        self.environ = {
            "LD_PRELOAD": library(),
            "FAKETIME_TIMESTAMP_FILE": str(self._file),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "DONT_FAKE_MONOTONIC": "1",
            "TZ": "UTC",
        }

    def set(self, by: int) -> None:
        """Set it forward (or back) by so many seconds."""
        self._offset += by
        self._write()

    def set_to(self, at: str) -> None:
        """Set it to a time of day and date in UTC."""
        self.set(round(datetime.fromisoformat(at).replace(tzinfo=UTC).timestamp() - self.now()))

    def now(self) -> float:
        return time.time() + self._offset

    def _write(self) -> None:
        aside = self._file.with_suffix(".new")
        aside.write_text(f"{self._offset:+d}\n")
        aside.replace(self._file)
