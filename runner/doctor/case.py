"""What is examined: a place, and what was found out about it so far."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from runner.clock import Clock
from runner.config import Config
from runner.doctor.finding import Finding, note, problem
from runner.doctor.stored import Stored
from runner.moment import Moment
from runner.service.health import Health
from runner.service.place import Place
from runner.spec import JobSpec


@dataclass
class Case:
    """`config` and `stored` are None until a check has read them, and stay so where that failed."""

    place: Place
    environ: Mapping[str, str]
    clock: Clock
    now: Moment
    config: Config | None = None
    stored: Stored | None = None

    @cached_property
    def health(self) -> Health | None:
        """What the runner of this state directory last wrote of itself."""
        return Health.read(self.place.state)

    @cached_property
    def alive(self) -> Health | None:
        """The same, where that runner lives and its loop turns."""
        return self.health if self.health is not None and not self.health.alive(self.clock) else None

    @property
    def process(self) -> int | None:
        """The number of that runner's process, where we can look at it."""
        return self.alive.pid if self.alive is not None and self.alive.here else None

    @property
    def specs(self) -> Sequence[JobSpec]:
        """The jobs: as the file says, else the last good ones on record."""
        if self.config is not None:
            return self.config.jobs
        return [job.spec for job in self.stored.jobs] if self.stored is not None else []

    @cached_property
    def runners_environ(self) -> Mapping[str, str]:
        """The environment that jobs are run in: that of the runner at work, as far as it may be read; else our own."""
        found: dict[str, str] = {}
        if self.process is not None:
            with contextlib.suppress(OSError), open(f"/proc/{self.process}/environ", "rb") as file:
                pairs = (os.fsdecode(item).partition("=") for item in file.read().split(b"\0"))
                found = {name: value for name, _, value in pairs if name}
        return found or self.environ

    def lacks(self, about: str, fact: str, help: str = "") -> Finding:
        """That jobs lack something: a problem, unless we may only see less than the user who runs them."""
        try:
            theirs = os.geteuid() not in (0, self.place.state.stat().st_uid)
        except FileNotFoundError:
            theirs = False
        except OSError:
            theirs = True
        if not theirs:
            return problem(about, fact, help)
        return note(about, fact, "; ".join(filter(None, (help, "look as the user whose runner it is"))))
