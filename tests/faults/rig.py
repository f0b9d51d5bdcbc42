"""A scene of real runners: a jobs file, a store, processes that are killed, frozen, started again.

Every command of a scene appends one line to the file `starts` when it begins, so that what really started can be
counted, whatever the store says.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path
from typing import Any

from runner.jobstores.sqlalchemy import SQLAlchemyJobStore
from runner.moment import SECOND
from runner.service import asking
from runner.service.place import Place
from tests.waiting import PATIENCE, wait_until

FAULTY = Path(__file__).with_name("faulty.py")
MARK = 'echo "$RUNNER_RUN_ID $RUNNER_STEP $RUNNER_ATTEMPT $$" >> starts'


class Runner:
    """One `runner serve`. What it says is in `log`."""

    def __init__(
        self,
        scene: Scene,
        name: str,
        state: Path,
        args: tuple[str, ...],
        environ: dict[str, str],
        program: tuple[str, ...],
        before: tuple[str, ...] = (),
    ) -> None:
        self.name = name
        self.state = state
        self.log = scene.directory / f"{name}.log"
        self._from = self.log.stat().st_size if self.log.exists() else 0
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [*before, sys.executable, *program, "serve", "-f", str(scene.file), *args],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=scene.directory,
                env={**scene.environ, "RUNNER_STATE_DIR": str(state), **environ},
            )

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def alive(self) -> bool:
        return self.process.poll() is None

    @property
    def leads(self) -> bool:
        """Whether it has written itself down as leader of its state directory."""
        try:
            return bool(json.loads((self.state / "leader.json").read_text())["pid"] == self.pid)
        except (OSError, ValueError):
            return False

    def said(self) -> str:
        """Everything since this process began."""
        with self.log.open("rb") as log:
            log.seek(self._from)
            return log.read().decode(errors="replace")

    def wait_lead(self, patience: float = PATIENCE) -> float:
        return self._wait(lambda: self.leads, "it leads", patience)

    def wait_says(self, words: str, patience: float = PATIENCE) -> float:
        return self._wait(lambda: words in self.said(), f"it says {words!r}", patience)

    def _wait(self, true: Callable[[], bool], what: str, patience: float) -> float:
        def holds() -> bool:
            if true():
                return True
            assert self.alive, f"{self.name} ended {self.process.returncode}:\n{self.said()[-3000:]}"
            return False

        try:
            return wait_until(holds, what, patience)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.said()[-3000:]}") from None

    def signal(self, number: int) -> None:
        self.process.send_signal(number)

    def kill(self) -> None:
        """SIGKILL, whatever it is doing, frozen or not."""
        self.process.kill()
        self.process.wait(PATIENCE)

    def stop(self, patience: float = PATIENCE) -> int:
        self.signal(signal.SIGTERM)
        return self.process.wait(patience)


class Scene:
    """A directory with jobs.yaml, `starts`, and the runners of one test. `url`: a database on a server."""

    def __init__(self, directory: Path, jobs: str, url: str | None = None) -> None:
        self.directory = directory
        self.file = directory / "jobs.yaml"
        self.file.write_text(jobs)
        self.starts = directory / "starts"
        self.starts.touch()
        self.url = url or f"sqlite:///{directory / 'state' / 'runner.db'}"
        self.environ = {
            name: value for name, value in os.environ.items() if not name.startswith(("RUNNER_", "PYTEST_"))
        }
        self.environ["PYTHONUNBUFFERED"] = "1"
        if url is not None:
            self.environ["RUNNER_DATABASE_URL"] = url
        self.runners: list[Runner] = []

    @property
    def source(self) -> str:
        return str(self.file)

    def serve(
        self,
        *args: str,
        name: str = "runner",
        state: str = "state",
        environ: dict[str, str] | None = None,
        program: tuple[str, ...] = ("-m", "runner"),
        before: tuple[str, ...] = (),
    ) -> Runner:
        runner = Runner(self, name, self.directory / state, args, environ or {}, program, before)
        self.runners.append(runner)
        return runner

    def faulty(
        self, action: str, point: str, number: int, name: str = "faulty", state: str = "state"
    ) -> Runner:
        """A runner that dies or freezes at the Nth pass of a point; `faults` then names it (see faulty.py)."""
        program = (str(FAULTY), action, point, str(number), str(self.directory / "faults"))
        return self.serve(name=name, state=state, program=program)

    @property
    def faults(self) -> list[str]:
        """The points at which something died or froze so far."""
        file = self.directory / "faults"
        return [line.split()[0] for line in file.read_text().splitlines()] if file.exists() else []

    def cli(self, *args: str, check: bool = True, state: str = "state") -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [sys.executable, "-m", "runner", *args],
            cwd=self.directory,
            env={**self.environ, "RUNNER_STATE_DIR": str(self.directory / state)},
            capture_output=True,
            text=True,
            timeout=PATIENCE,
        )
        assert not check or done.returncode == 0, (
            f"runner {' '.join(args)}: {done.returncode}\n{done.stdout}{done.stderr}"
        )
        return done

    def ask(self, verb: str, state: str = "state", **args: object) -> dict[str, Any]:
        """What `runner trigger`, `pause`, `stop` ask of the leader, from this process: its answer."""
        store = SQLAlchemyJobStore(self.url)
        store.open()
        try:
            place = Place(self.file, self.directory / state, self.url)
            answered = asking.ask(store, place, verb, args, patience=60 * SECOND)
        finally:
            store.close()
        assert answered is not None, f"nobody answered {verb} {args}"
        assert answered.state == "done", answered.answer
        return dict(answered.answer)

    def trigger(self, job: str, state: str = "state") -> str:
        """Run a job by hand; the run's id."""
        return str(self.ask("trigger", state, job=job)["run"])

    def started(self) -> int:
        """How many commands have begun so far."""
        return self.starts.read_bytes().count(b"\n")

    def latest(self) -> float:
        """The latest planned time of what has begun so far, in seconds since 1970."""
        times = re.findall(r"@(\S+Z)", self.starts.read_text())
        return max(datetime.fromisoformat(each).timestamp() for each in times)

    def wait_start(self, after: int | None = None, patience: float = PATIENCE) -> float:
        """Until another command has begun."""
        before = self.started() if after is None else after
        try:
            return wait_until(lambda: self.started() > before, "a command begins", patience)
        except AssertionError as error:
            said = "\n".join(f"── {each.name}\n{each.said()[-1500:]}" for each in self.runners[-3:])
            raise AssertionError(f"{error}\n{said}") from None

    def wait_for(self, name: str, patience: float = PATIENCE) -> float:
        return wait_until((self.directory / name).exists, f"there is {name}", patience)

    def close(self) -> None:
        for runner in self.runners:
            if runner.alive:
                runner.kill()
        self.kill_commands()

    def kill_commands(self) -> None:
        """Whatever still runs of this scene: found by the directory it works in."""
        for entry in Path("/proc").iterdir():
            if not entry.name.isdigit() or int(entry.name) == os.getpid():
                continue
            with contextlib.suppress(OSError):
                if (entry / "cwd").resolve() == self.directory.resolve():
                    os.kill(int(entry.name), signal.SIGKILL)


ALL = "{runs: all, window: 1h, max: 5000}"


def every_second(
    count: int, *, more: str = "", run: str = MARK, name: str = "tick", catchup: str = ALL
) -> str:
    """`count` jobs that are due every second; what is judged in the end must not be forgotten before."""
    job = f"""
    schedule: "* * * * * *"
    catchup: {catchup}
    retention: {{runs: 100000}}
    run: |
      {run}
{more}"""
    return "jobs:\n" + "".join(f"  {name}{number}:{job}\n" for number in range(count))


def dice(seed: int, count: int, low: float, high: float) -> Iterator[float]:
    """Random waits in seconds, the same for the same seed."""
    source = random.Random(seed)
    for _ in range(count):
        yield source.uniform(low, high)


def side_by_side(work: Callable[..., object], shares: Sequence[tuple[Any, ...]]) -> None:
    """Do the same for several scenes at once, a thread for each; what went wrong in one of them is raised."""
    with ThreadPoolExecutor(len(shares)) as threads:
        for each in [threads.submit(work, *share) for share in shares]:
            each.result()
