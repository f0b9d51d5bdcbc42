"""Tells an outside watcher that a job is alive: a service that alerts when nothing is heard any more.

The address is asked with a suffix for the state, as such services expect it: `/start`, nothing, `/fail`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal
from urllib.parse import urlsplit, urlunsplit

from runner.errors import RunnerError
from runner.notify.base import Message

Beat = Literal["start", "success", "fail"]
_TIMEOUT = 10.0


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

    def __init__(self, url: str, ping: Callable[[str, Beat, str], None] = beat) -> None:
        scheme, _, rest = url.partition("://")
        self._url = ("https://" if scheme == "pings" else "http://") + rest
        self._ping = ping

    def send(self, message: Message) -> None:
        state: Beat = "fail" if message.level in ("failure", "warning") else "success"
        self._ping(self._url, state, f"{message.title}\n\n{message.body}")
