"""Tells an outside watcher that a job is alive: a service that alerts when nothing is heard any more.

The address is asked with a suffix for the state, as such services expect it: `/start`, nothing, `/fail`.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from typing import Literal, NamedTuple
from urllib.parse import urlsplit, urlunsplit

from runner.core.action import Announce
from runner.core.run import Run
from runner.errors import RunnerError
from runner.notify.address import filled, masked
from runner.notify.base import Message
from runner.secrets import Secrets

Beat = Literal["start", "success", "fail"]
Ping = Callable[[str, Beat, str], None]
HEARS = frozenset({"run.started", "run.ended"})
"""The announcements, by name, that watchers are pinged at."""
_TIMEOUT = 10.0
_TRIES = 3
_MOST_WAITING = 1_000


def beat(url: str, state: Beat, body: str = "") -> None:
    """Ping `url` for this state; RunnerError where it does not answer with success.

    `{state}` in the address is replaced by the state; without it `/start` and `/fail` are appended.
    """
    import requests

    address = url.replace("{state}", state) if "{state}" in url else _suffixed(url, state)
    try:
        if body:
            answer = requests.post(address, data=body.encode(), timeout=_TIMEOUT)
        else:
            answer = requests.get(address, timeout=_TIMEOUT)
    except requests.RequestException as error:
        raise RunnerError(f"the watcher did not answer: {type(error).__name__}") from None
    if not answer.ok:
        raise RunnerError(f"the watcher answered {answer.status_code} {answer.reason}")


def _suffixed(url: str, state: Beat) -> str:
    if state == "success":
        return url
    parts = urlsplit(url)
    return urlunsplit(parts._replace(path=f"{parts.path.rstrip('/')}/{state}"))


class PingNotifier:
    """A channel `ping://host/path` (`pings://` for HTTPS): failures ping `/fail`, good news pings the address."""

    def __init__(self, url: str, ping: Ping = beat) -> None:
        scheme, _, rest = url.partition("://")
        self._url = ("https://" if scheme == "pings" else "http://") + rest
        self._ping = ping

    def send(self, message: Message) -> None:
        state: Beat = "fail" if message.level in ("failure", "warning") else "success"
        self._ping(self._url, state, f"{message.title}\n\n{message.body}")


class _Due(NamedTuple):
    job: str
    url: str
    state: Beat
    body: str


class Pulse:
    """Pings the watchers of runs as they start and end, in threads of its own that live only while there is work.

    A ping that fails is tried three times, then said to `log`: a watcher that hears nothing raises its alarm, which
    is what it is for. Pings of one job stay in order.
    """

    def __init__(
        self, log: Callable[[str], None], *, secrets: Secrets | None = None, ping: Ping = beat
    ) -> None:
        self._log = log
        self._secrets = secrets
        self._ping = ping
        self._lock = threading.Lock()
        self._waiting: dict[str, queue.SimpleQueue[_Due]] = {}
        self._busy: dict[str, threading.Thread] = {}

    def hear(self, announce: Announce) -> None:
        """Take note of those in `HEARS`, of jobs that have a heartbeat; returns at once."""
        if announce.name not in HEARS or not isinstance(announce.value, Run):
            return
        run = announce.value
        if run.spec.heartbeat is None:
            return
        if announce.name == "run.started":
            self._put(_Due(run.spec.id, run.spec.heartbeat, "start", ""))
        elif run.status.good:
            self._put(_Due(run.spec.id, run.spec.heartbeat, "success", ""))
        else:
            self._put(_Due(run.spec.id, run.spec.heartbeat, "fail", f"{run.id} {run.status}"))

    def alive(self, url: str) -> None:
        """The runner itself is well; not asked again before an earlier answer is there."""
        with self._lock:
            if url in self._busy:
                return
        self._put(_Due("the runner", url, "success", ""))

    def close(self, timeout: float = 5.0) -> None:
        """Wait for the pings on their way, at most `timeout` seconds for each watcher."""
        with self._lock:
            threads = list(self._busy.values())
        for thread in threads:
            thread.join(timeout)

    def _put(self, due: _Due) -> None:
        with self._lock:
            waiting = self._waiting.setdefault(due.url, queue.SimpleQueue())
            if waiting.qsize() >= _MOST_WAITING:
                return
            waiting.put(due)
            if due.url not in self._busy:
                thread = threading.Thread(
                    target=self._work, args=(due.url, waiting), name="runner-heartbeat", daemon=True
                )
                self._busy[due.url] = thread
                thread.start()

    def _work(self, url: str, waiting: queue.SimpleQueue[_Due]) -> None:
        while True:
            with self._lock:
                try:
                    due = waiting.get_nowait()
                except queue.Empty:
                    del self._busy[url], self._waiting[url]
                    return
            self._beat(due)

    def _beat(self, due: _Due) -> None:
        trouble: Exception | None = None
        for _ in range(_TRIES):
            try:
                self._ping(filled(due.url, self._secrets), due.state, due.body)
                return
            except Exception as error:
                trouble = error
        self._log(f"heartbeat of {due.job} ({due.state}): {masked(str(trouble), self._secrets)}")
