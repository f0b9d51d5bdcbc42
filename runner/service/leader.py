"""Who leads a file: a note in the state directory, for people and for the `serve` that stands by.

The lease itself lies in the store; this note only tells about it.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
from dataclasses import asdict, dataclass
from pathlib import Path

from runner import __version__
from runner.moment import Moment, iso

_NAME = "leader.json"


@dataclass(frozen=True, slots=True)
class Leader:
    """Who it is, since when, of which file at which commit of its repository."""

    pid: int
    host: str
    since: str
    file: str
    version: str
    commit: str = ""

    @classmethod
    def me(cls, now: Moment, file: Path, commit: str) -> Leader:
        """This process."""
        return cls(os.getpid(), socket.gethostname(), iso(now), str(file), __version__, commit)

    def __str__(self) -> str:
        return f"process {self.pid} on {self.host}, since {self.since[:19].replace('T', ' ')} UTC"

    def write(self, state: Path) -> None:
        path = state / _NAME
        aside = path.with_suffix(".new")
        aside.write_text(json.dumps(asdict(self)), encoding="utf-8")
        os.chmod(aside, 0o600)
        aside.replace(path)

    @classmethod
    def read(cls, state: Path) -> Leader | None:
        """The note as it stands; None where there is none, or nobody can make sense of it."""
        try:
            return cls(**json.loads((state / _NAME).read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):
            return None

    def gone(self) -> bool:
        """Whether it is a process of this host that ended and could not take its note away."""
        if self.host != socket.gethostname():
            return False
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return True
        except OSError:
            return False
        return False

    @staticmethod
    def erase(state: Path) -> None:
        with contextlib.suppress(OSError):
            (state / _NAME).unlink()
