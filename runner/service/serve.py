"""The daemon: a configuration, the files it came from, the engine, and the signals that reach it."""

from __future__ import annotations

import contextlib
import logging
import queue
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

from runner import __version__, config
from runner.clock import Clock
from runner.config import Config
from runner.core.action import Announce
from runner.core.event import Event, Settings
from runner.core.machine import Machine
from runner.core.run import Request, Status
from runner.errors import ConfigError, LeaseLost, RunnerError, StoreError, StoreUnknown
from runner.jobstores.base import JobStore
from runner.moment import SECOND, Moment, iso
from runner.notify.heartbeat import HEARS, Pulse
from runner.service import memory
from runner.service.beforehand import load_soon
from runner.service.chronicle import Chronicle, clock_set
from runner.service.commit import commit_of
from runner.service.control import Control
from runner.service.drain import Drain, Options
from runner.service.filestate import CHANGED, FileState
from runner.service.house import House
from runner.service.housekeeping import Housekeeper
from runner.service.leader import Leader
from runner.service.merged import Merged
from runner.service.place import Place
from runner.service.reload import Shrunk, Swap, meanwhile, new_addresses
from runner.service.report import Report
from runner.service.signals import Signals
from runner.service.systemd import Systemd
from runner.service.terminal import WORDS, Terminal
from runner.service.vitals import Vitals
from runner.service.watch import Watcher
from runner.spec import JobKey
from runner.triggers import zones
from runner.views.beside import sections

log = logging.getLogger("runner.service")

EXIT_CONFIG = 3
_SWAP_WITHIN = 60.0
"""Seconds; the clock thread takes a new configuration in its next turn."""


class Service:
    """`run` returns the exit code. Everything else is called by threads of the house."""

    def __init__(
        self,
        place: Place,
        loaded: Config,
        store: JobStore,
        report: Report,
        clock: Clock,
        options: Options,
        cache: config.Cache | None = None,
        systemd: Systemd | None = None,
    ) -> None:
        self._place = place
        self._store = store
        self._report = report
        self._clock = clock
        self._options = options
        self._mail: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._reloading = threading.Lock()
        self._hangups = Merged(self._told_to_reload, name="runner-reload")
        self._cache = cache or config.Cache()
        self._chronicle = Chronicle(report, clock, self._zone_of)
        heard = self._chronicle.hears | HEARS
        self._pulse: Pulse | None = None
        self._store_trouble = ""
        self._since: Moment = clock.now()
        self._me = Leader.me(self._since, place.file, "")
        self._draining = False
        self._terminal = Terminal(report)
        self._control: Control | None = None
        self._first = Swap(loaded, allow_shrink=True, rezone=True)
        """What this runner follows when it takes the lead."""
        self._may_shrink = options.allow_shrink
        self.house = House(
            place,
            loaded,
            store,
            clock=clock,
            announce=self._heard,
            hears=lambda: heard,
            say=lambda text: report.say("alert", text, "warn"),
            early=self._meanwhile,
            prepare=self._first,
            on_request=self._asked,
        )
        self._file = FileState(self.house, report, clock)
        self._pulse = Pulse(lambda text: report.say("heartbeat", text, "warn"), secrets=self.house.secrets)
        self._vitals = Vitals(
            place.state,
            clock,
            systemd or Systemd({}),
            self._facts,
            call=self.house.engine.call,
            heartbeat=lambda: self.house.config.heartbeat,
            ping=self._pulse.alive,
            say=lambda text: report.say("stuck", text, "bad"),
            after=options.stuck_after,
        )

    # ── the main thread ─────────────────────────────────────────────────────────────────────

    def run(self) -> int:
        """Serve until a signal, the watchdog or trouble ends it."""
        house = self.house
        signals = Signals(WORDS, partial(self._terminal.hear, self._mail.put))
        signals.open()
        engine = threading.Thread(target=house.engine.run, name="runner-clock", daemon=True)
        watcher = Watcher(self._watched, self._file_changed)
        self._chronicle.loaded(self._place, house.config)
        tidy = Housekeeper(house, self._clock)
        try:
            if not self._open_store():
                return 0
            house.open()
            memory.settle()
            engine.start()
            self._vitals.open()
            watcher.open()
            tidy.open()
            code = self._wait()
        finally:
            watcher.close()
            tidy.close()
            self._end(engine)
            signals.close()
        return code

    def _open_store(self) -> bool:
        """Open the store, however long it takes to be there; False where a stop came first."""
        wait, told_to_reload = 0.2, False
        while True:
            try:
                self._store.open()
            except StoreUnknown:
                raise  # no time mends an address
            except StoreError as error:
                if str(error) != self._store_trouble:
                    self._store_trouble = str(error)
                    self._report.say(
                        "store.failed", f"the store cannot be opened: {error}; trying again", "bad"
                    )
            else:
                if self._store_trouble:
                    self._store_trouble = ""
                    self._report.say("store.back", "the store is there", "good")
                if told_to_reload:
                    self._mail.put("reload")
                return True
            # Nothing else turns yet: that this loop does is the sign of life.
            self._vitals.write()
            self._vitals.systemd.alive()
            self._vitals.systemd.status(self._store_trouble)
            try:
                word = self._mail.get(timeout=wait)
                if word == "stop":
                    return False
                told_to_reload = told_to_reload or word == "reload"
            except queue.Empty:
                wait = min(wait * 2, 1.0)

    def _wait(self) -> int:
        """Follow the mail until it is time to go; the exit code."""
        while True:
            word = self._mail.get()
            if word == "reload":
                self._hangups.ask()
            elif word == "stop":
                self._draining = True
                self._vitals.systemd.stopping(int(self._options.grace / SECOND + 75))
                Drain(self.house, self._report, self._clock, self._options, self._mail).drain()
                return 0
            elif word == "refused":
                return EXIT_CONFIG

    def _end(self, engine: threading.Thread) -> None:
        if self._control is not None:
            self._control.close()
        self._vitals.ending(0)
        self.house.engine.end()
        if engine.is_alive():
            engine.join(10)
        leading = self.house.partition.leading
        if leading:
            Leader.erase(self._place.state)
        self.house.close(leave=self._options.on_shutdown == "leave")
        if self._pulse is not None:
            self._pulse.close(2.0)
        self._store.close()
        self._vitals.close()
        self._report.say("stopped", "stopped")

    # ── reload ──────────────────────────────────────────────────────────────────────────────

    def _meanwhile(self, machine: Machine, now: Moment) -> Sequence[Event]:
        self._chronicle.found(machine)
        return meanwhile(self._first.config, allow_shrink=self._may_shrink)(machine, now)

    def _watched(self) -> tuple[Path, ...]:
        """The files of the good configuration, and those that keep a newer one from being good."""
        return (*config.looked_at(self.house.config), *self._file.suspects)

    def _told_to_reload(self) -> None:
        zones.refresh()
        with contextlib.suppress(ConfigError, Shrunk):
            self.reload("told to reload", rezone=True)

    def _file_changed(self) -> None:
        # What is wrong has been said where it was found.
        try:
            self.reload(CHANGED)
        except (ConfigError, Shrunk):
            return
        except Exception:
            # Whatever it is, the next change must be seen as well.
            log.exception("a change of the file could not be taken")

    def reload(self, reason: str, *, allow_shrink: bool = False, rezone: bool = False) -> Swap:
        """Read the files and swap; says what came of it. Raises ConfigError or Shrunk where nothing changed."""
        with self._reloading, self._told_systemd():
            started = self._clock.elapsed()
            try:
                addresses = new_addresses(self.house.config)
                loaded = config.load(self._place.files, cache=self._cache, address=addresses)
                commit = commit_of(loaded.files)
                adopt = partial(self._adopt, loaded, commit, allow_shrink)
                swap = Swap(loaded, allow_shrink, adopt, rezone=rezone)
                self._swap(swap)
            except (ConfigError, Shrunk) as error:
                self._file.refuse(error)
                raise
            took = (self._clock.elapsed() - started) // 1000
            self._file.accept(swap, reason, took)
            memory.give_back()
            return swap

    @contextlib.contextmanager
    def _told_systemd(self) -> Iterator[None]:
        self._vitals.reloading()
        try:
            yield
        finally:
            self._vitals.systemd.ready(self._word())
            self._vitals.look()

    def _adopt(self, loaded: Config, commit: str, allow_shrink: bool) -> Settings:
        """Follow another configuration from now on, and from the next lead on. Clock thread only."""
        self._first.config = loaded
        self._may_shrink = self._options.allow_shrink or allow_shrink
        load_soon(loaded)
        return self.house.adopt(loaded, commit)

    def _swap(self, swap: Swap) -> None:
        if not self.house.partition.leading:
            # Whoever leads follows the file itself; this runner will when it takes over.
            self.house.engine.call(swap.adopt)
            return
        try:
            self.house.engine.ask(swap).result(_SWAP_WITHIN)
        except (TimeoutError, LeaseLost):
            words = "the store does not take the change now: it is made when this runner leads and the store is back"
            self._report.say("config.waiting", words, "warn")

    # ── what the engine says and others ask ─────────────────────────────────────────────────

    def _heard(self, announce: Announce) -> None:
        if announce.name == "lease.lost":
            # First: who reads that another leads must not find this one named as the leader.
            Leader.erase(self._place.state)
        self._chronicle.hear(announce)
        if self._pulse is not None:
            self._pulse.hear(announce)
        if announce.name in ("store.failed", "store.back"):
            self._vitals.look()
        if announce.name == "lease.taken":
            self._lead()
        elif announce.name == "lease.held":
            self._vitals.systemd.ready("standing by: another runner leads")
            holder = Leader.read(self._place.state)
            if holder is not None and holder.gone():
                holder = None  # one of other hosts, or of another state directory, leads since
            self._report.say(
                "lease.held",
                f"{self._place.file} is already served by {holder or 'another runner'}; standing by",
                "warn",
            )
        elif announce.name == "lease.refused":
            self._report.raw(str(announce.value))
            self._mail.put("refused")
        elif announce.name == "run.ended" and self._draining:
            self._mail.put("look")

    def _zone_of(self, key: JobKey) -> str:
        """The zone a job's times are told in. Clock thread only."""
        machine = self.house.partition.machine
        job = machine.jobs.get(key) if machine is not None else None
        return job.spec.timezone if job is not None else self.house.config.timezone

    def _lead(self) -> None:
        self._me = Leader.me(self._clock.now(), self._place.file, self.house.commit)
        self._me.write(self._place.state)
        if self._control is None:
            self._control = Control(self._place.socket, self.house.engine.poke)
            self._control.open()
        self._chronicle.leading(self.house.partition.machine)
        load_soon(self.house.config)
        self._file.tell()
        self._vitals.systemd.ready(self._word())
        self._vitals.look()

    def _asked(self, request: Request) -> bool:
        answer: Callable[[Request], None]
        if request.verb == "status":
            answer = self._answer_status
        elif request.verb == "reload":
            answer = self._answer_reload
        elif request.verb == "sections":
            answer = self._answer_sections
        else:
            return False
        threading.Thread(target=answer, args=(request,), name="runner-answer", daemon=True).start()
        return True

    def _answer(self, request: Request, state: Literal["done", "refused"], answer: dict[str, Any]) -> None:
        self.house.engine.answer(replace(request, state=state, ended_at=self._clock.now(), answer=answer))

    def _answer_reload(self, request: Request) -> None:
        try:
            swap = self.reload("asked to reload", allow_shrink=bool(request.args.get("allow_shrink")))
        except RunnerError as error:
            self._answer(request, "refused", {"error": str(error), "kind": type(error).__name__})
            return
        d = swap.difference
        self._answer(
            request,
            "done",
            {"added": d.added, "changed": d.changed, "removed": d.removed, "unchanged": d.unchanged},
        )

    def _answer_status(self, request: Request) -> None:
        self._answer(request, "done", self.status())

    def _answer_sections(self, request: Request) -> None:
        self._answer(request, "done", sections(self.house.config, str(request.args.get("salt", ""))))

    def _word(self) -> str:
        """How it is, on one line."""
        if self._file.broken:
            return "the file is broken; the last good one goes on"
        return f"{len(self.house.config.jobs)} jobs of {self._place.file.name}"

    def _facts(self) -> tuple[dict[str, Any], tuple[str, ...]]:
        status = self.status()
        store, troubles = status["store"], []
        if not store["ok"]:
            troubles.append(f"store: {store['error']}")
        return status, tuple(troubles)

    def status(self) -> dict[str, Any]:
        """How it is, as JSON values; docs/reference.md names the keys."""
        leader = self._me
        trouble = self.house.partition.trouble or self._store_trouble
        machine = self.house.partition.machine
        runs = list(machine.runs.values()) if machine is not None else []
        return {
            "leader": {"pid": leader.pid, "host": leader.host, "since": leader.since},
            "file": leader.file,
            "commit": self.house.commit,
            "runner": __version__,
            "state_dir": str(self._place.state),
            "loaded_at": iso(self._file.loaded_at),
            "config": {
                "ok": not self._file.broken,
                "error": self._file.broken,
                "since": iso(self._file.broken_since) if self._file.broken_since else None,
            },
            "store": {"ok": not trouble, "error": trouble},
            # Looked at now: where nothing is written, nobody else would notice that it fills, or has room again.
            "disk": {"ok": not self.house.room.short(), "error": self.house.room.trouble},
            "clock": clock_set(machine.clock_set if machine is not None else None),
            "leading": machine is not None,
            "jobs": len(machine.jobs) if machine is not None else 0,
            "running": [run.id for run in runs if run.status is Status.RUNNING],
            "waiting": [run.id for run in runs if run.status is not Status.RUNNING],
            "draining": self._draining,
        }
