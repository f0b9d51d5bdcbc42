from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.faults import figures
from tests.faults.rig import Scene
from tests.jobstores import store_servers

Stage = Callable[..., Scene]


@pytest.fixture(autouse=True)
def begins() -> None:
    figures.Watch.began = time.monotonic()


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    """Makes scenes, and ends all that still runs of them."""
    made: list[Scene] = []

    def make(jobs: str, url: str | None = None) -> Scene:
        directory = tmp_path / f"scene{len(made)}"
        directory.mkdir()
        made.append(Scene(directory, jobs, url))
        return made[-1]

    yield make
    for scene in made:
        scene.close()


class Servers:
    """Real database servers, each started when it is first asked for."""

    def __init__(self) -> None:
        self._stack = ExitStack()
        self._urls: dict[str, str] = {}

    def url(self, kind: str) -> str | None:
        """Where it is; None for SQLite, which has no server."""
        if kind == "sqlite":
            return None
        if kind not in self._urls:
            self._urls[kind] = self._stack.enter_context(getattr(store_servers, kind)(own=True))
        return self._urls[kind]

    def close(self) -> None:
        self._stack.close()


@pytest.fixture(scope="session")
def servers() -> Iterator[Servers]:
    found = Servers()
    yield found
    found.close()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    found = figures.load()
    if found and figures.WANTED != "short":
        terminalreporter.write_line(figures.table(found))
