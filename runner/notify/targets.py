"""From a URL to the notifier behind it. Built-ins stand here; packages add schemes; the rest is Apprise's."""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import entry_points

from runner.errors import RunnerError
from runner.notify.address import masked
from runner.notify.base import Notifier
from runner.notify.log import LogNotifier

Log = Callable[[str], None]
_BUILT_IN = ("log", "ping", "pings")


def notifier_for(url: str, log: Log) -> Notifier:
    """The notifier of this URL. RunnerError where nobody can read it.

    Another package offers a scheme with an entry point of the group `runner.notifiers`, named after the scheme:
    a callable that takes the URL and returns a Notifier.
    """
    scheme = url.partition(":")[0].lower()
    if scheme == "log":
        return LogNotifier(log)
    if scheme in ("ping", "pings"):
        from runner.notify.heartbeat import PingNotifier

        return PingNotifier(url)
    for point in entry_points(group="runner.notifiers", name=scheme):
        made: Notifier = point.load()(url)
        return made
    from runner.notify.apprise import AppriseNotifier

    return AppriseNotifier(url)


def uses_apprise(url: str) -> bool:
    """Whether a message to this address goes through Apprise, as far as can be told before `${{ }}` in it is read."""
    scheme = url.partition(":")[0].lower()
    return scheme not in _BUILT_IN and not entry_points(group="runner.notifiers", name=scheme)


def check(url: str) -> str:
    """What is wrong with an address, as far as can be told without sending; empty where nothing is.

    One that holds `${{ }}` is known only when it is used.
    """
    if "${{" in url or not uses_apprise(url):
        return ""
    from runner.notify.apprise import AppriseNotifier

    try:
        AppriseNotifier(url)
    except RunnerError as error:
        return masked(error.fact)
    return ""
