"""Puts a configuration's parts together: executors, outbox, store, engine. `serve` and `run` stand on it."""

from __future__ import annotations

import os
import secrets
import socket
from collections.abc import Callable, Container, Mapping

from runner.clock import Clock
from runner.config import Config
from runner.core.action import Announce
from runner.core.event import Delivered, Settings
from runner.core.run import Request
from runner.engine import Engine, Hands, Partition, Plan
from runner.errors import StoreError
from runner.executors.local import LocalExecutor
from runner.executors.output import path_of
from runner.executors.room import Room
from runner.jobstores.base import JobStore
from runner.moment import SECOND
from runner.notify.outbox import Outbox
from runner.secrets import Secrets
from runner.service.commit import commit_of
from runner.service.host import Host
from runner.service.place import Place

_UNTOLD = 10 * SECOND
"""How often a store that tells of requests is asked all the same: a notice may be lost with its connection."""
PRIVATE = ("RUNNER_DATABASE_URL", "RUNNER_TOKEN")
"""The runner's own settings that may hold secrets: commands do not inherit them."""


class House:
    """One engine with the hands a configuration asks for; `adopt` gives it those of another configuration."""

    def __init__(
        self,
        place: Place,
        config: Config,
        store: JobStore,
        *,
        clock: Clock,
        announce: Callable[[Announce], None],
        hears: Callable[[], Container[str]] | None = None,
        say: Callable[[str], None],
        early: Plan | None = None,
        prepare: Plan | None = None,
        on_request: Callable[[Request], bool] | None = None,
        environ: Mapping[str, str] = os.environ,
    ) -> None:
        self.place = place
        self.config = config
        self.store = store
        self._clock = clock
        self._environ = environ
        self._local: dict[str, LocalExecutor] = {}
        self.host = Host(place.state)
        self.room = Room(place.state, clock, config.storage.keep_free)
        self.secrets = Secrets(config.secrets, place.home, environ)
        self.hands = Hands(announce=announce, hears=hears)
        self.engine = Engine(self.hands, clock, poll_requests=None)
        self.outbox = Outbox(
            config.channels,
            self._delivered,
            clock=clock,
            log=say,
            secrets=self.secrets,
            zone=config.timezone,
            log_of=lambda attempt: path_of(place.state, attempt),
        )
        self.hands.send = self.outbox.deliver
        self.commit = commit_of(config.files)
        self._make_executors(config)
        self.partition = Partition(
            store,
            place.source,
            # Two containers may have one name and one pid.
            owner=f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(4)}",
            settings=self._settings(config),
            hands=self.hands,
            done=self.engine.done,
            early=early,
            prepare=prepare,
            on_request=on_request,
            host=self.host,
            elapsed=clock.elapsed,
        )

    def open(self) -> None:
        """Get the hands ready, and give the partition its turns as soon as the engine runs."""
        self.hands.open(self.engine.done)
        self._listen()
        self.engine.attach(self.partition)

    def _listen(self) -> None:
        """Requests from other machines are told of by stores that can; the others are asked each second."""
        if self.place.url.startswith("sqlite"):
            return  # Whoever writes to the file knocks at the socket beside it.
        try:
            told = self.store.listen(self.place.source, self.engine.poke)
        except StoreError:
            told = False
        self.engine.poll_every(_UNTOLD if told else SECOND)

    def _settings(self, config: Config) -> Settings:
        return Settings(
            groups=config.groups,
            executors=self.hands.capacities,
            maintenance=config.maintenance,
            host=self.host.name,
            commit=self.commit,
        )

    def adopt(self, config: Config, commit: str) -> Settings:
        """Use another configuration's secrets, channels and executors; its settings. Clock thread only.

        Executors that are no longer named stay until the end: runs that began with them go on.
        """
        self.config = config
        self.commit = commit
        self.room.keep_free = config.storage.keep_free
        self.secrets.replace(config.secrets)
        self.outbox.reconfigure(config.channels)
        for name in self._make_executors(config):
            self.hands.executors[name].open(self.engine.done)
        self.partition.settings = self._settings(config)
        return self.partition.settings

    def close(self, *, leave: bool, patience: float = 5.0) -> None:
        """Stop what runs, or leave it to the next runner; give the outbox `patience` seconds; let others lead."""
        self.hands.close(leave=leave)
        self.outbox.close(patience)
        self.partition.release()

    def _make_executors(self, config: Config) -> list[str]:
        """Make or resize the executors of a configuration; the names of the new ones."""
        new: list[str] = []
        for name, wanted in config.executors.items():
            known = self._local.get(name)
            if known is not None:
                known.resize(wanted.max_workers)
                continue
            self.hands.executors[name] = self._local[name] = self._make_executor(name, config)
            new.append(name)
        return new

    def _make_executor(self, name: str, config: Config) -> LocalExecutor:
        wanted = config.executors[name]
        return LocalExecutor(
            name,
            state_dir=self.place.state,
            max_workers=wanted.max_workers,
            python=wanted.python,
            working_dir=self.place.home,
            secrets=self.secrets,
            environ={key: value for key, value in self._environ.items() if key not in PRIVATE},
            clock=self._clock,
            room=self.room,
        )

    def _delivered(self, id: str, ok: bool, error: str) -> None:
        self.engine.post(Delivered(id, "" if ok else error or "it did not arrive"))
