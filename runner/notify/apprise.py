"""E-mail, chat and webhooks, through Apprise: https://github.com/caronc/apprise/wiki lists its URLs.

Apprise reports trouble only by a falsy result and a log line; both become one error here.
"""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from runner.errors import RunnerError
from runner.notify.base import Message

_LOGGER = logging.getLogger("apprise")


class AppriseNotifier:
    """Raises RunnerError at once where the URL is none of Apprise's."""

    def __init__(self, url: str) -> None:
        import apprise

        with _heard() as said:
            plugin: Any = apprise.Apprise.instantiate(url, asset=_asset(), suppress_exceptions=True)
        if not plugin:
            scheme = url.partition(":")[0]
            raise RunnerError(
                f"{scheme}: is not an address that can be used" + _because(said),
                hint="the Apprise wiki says how the address of each service is written",
            )
        self._service = str(plugin.service_name)
        self._apprise = apprise.Apprise(asset=_asset())
        self._apprise.add(plugin)

    def send(self, message: Message) -> None:
        import apprise

        attachment = message.attachment if message.attachment and Path(message.attachment).is_file() else None
        with _heard() as said:
            arrived = self._apprise.notify(
                title=message.title,
                body=message.body or message.title,
                notify_type=apprise.NotifyType(message.level),
                body_format=apprise.NotifyFormat.TEXT,
                attach=attachment,
            )
        if not arrived:
            raise RunnerError(f"{self._service} did not take the message" + _because(said))


def load() -> None:
    """Load now what the first message would: Apprise, and what it knows of each service."""
    import apprise

    apprise.Apprise.instantiate("json://localhost", asset=_asset())


def _asset() -> Any:
    """Apprise's settings: it sends in the caller's thread, which the outbox watches.

    With a deadline of its own it would send from a pool that all targets share, and a few that hang fill it.
    """
    import apprise

    return apprise.AppriseAsset(app_id="runner", app_desc="runner", app_url="", service_timeout=0)


def _because(said: list[str]) -> str:
    return ": " + "; ".join(dict.fromkeys(said)) if said else ""


class _Ear(logging.Filter):
    """Hears what Apprise says in this thread, and only there. It goes no further: its URLs hold tokens."""

    def __init__(self) -> None:
        super().__init__()
        self.thread = threading.get_ident()
        self.said: list[str] = []

    def filter(self, record: logging.LogRecord) -> bool:
        if record.thread != self.thread:
            return True
        if record.levelno >= logging.WARNING:
            self.said.append(" ".join(record.getMessage().split()))
        return False


@contextlib.contextmanager
def _heard() -> Iterator[list[str]]:
    ear = _Ear()
    _LOGGER.addFilter(ear)
    try:
        yield ear.said
    finally:
        _LOGGER.removeFilter(ear)
