"""Alerts for Python jobs: what `notify` and `channels` take, and the outbox behind a scheduler."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from runner.clock import Clock
from runner.core.event import Delivered, Event
from runner.core.run import Delivery
from runner.moment import Span
from runner.spec import Notify, Rule

if TYPE_CHECKING:
    from runner.notify.outbox import Outbox

log = logging.getLogger("runner.notify")

_NOBODY = Notify()
_KINDS = ("on_failure", "on_recovery", "on_late", "on_success")
_RULE = {"to", "after", "remind", "if", "title", "body"}


@dataclass(frozen=True, slots=True)
class Channel:
    """Where messages go: addresses, and when they may."""

    urls: tuple[str, ...]
    min_interval: Span | None = None
    quiet: str | None = None


def channels_of(given: Mapping[str, Any]) -> dict[str, Channel]:
    """The channels of a configuration: a URL, a list of them, or a dict of urls, min_interval and quiet.

    ValueError names the channel whose address nobody can read.
    """
    found = {}
    for name, value in given.items():
        options = dict(value) if isinstance(value, Mapping) else {"urls": value}
        urls = _texts(options.pop("urls", ()))
        interval = options.pop("min_interval", None)
        quiet = options.pop("quiet", None)
        if options or not urls:
            raise ValueError(
                f"channel {name!r} needs urls, and may have min_interval and quiet, nothing else"
            )
        _check(name, urls)
        found[name] = Channel(urls, _span(interval), quiet)
    return found


def _check(name: str, urls: Iterable[str]) -> None:
    from runner.notify.targets import check

    for url in urls:
        if wrong := check(url):
            raise ValueError(f"channel {name!r}: {wrong}")


def notify_of(value: Any, channels: Iterable[str]) -> Notify:
    """What `add_job(notify=...)` means: names of channels (told of failures and recoveries), or a dict of on_failure,
    on_recovery, on_late, on_success; each names channels or is a dict (to, after, remind, if, title, body).

    ValueError names what is not known.
    """
    if value is None:
        return _NOBODY
    if not isinstance(value, Notify | Mapping):
        value = {"on_failure": value, "on_recovery": value}
    made = value if isinstance(value, Notify) else _notify(value)
    known = set(channels)
    for rule in (rule for kind in _KINDS for rule in getattr(made, kind)):
        for name in rule.to:
            if name not in known:
                listed = ", ".join(sorted(known)) or "none: give the scheduler channels={...}"
                raise ValueError(f"there is no channel {name!r} (there are {listed})")
    return made


def _notify(value: Mapping[str, Any]) -> Notify:
    if unknown := set(value) - set(_KINDS):
        raise ValueError(f"notify has no {', '.join(sorted(unknown))} (there are {', '.join(_KINDS)})")
    return Notify(**{kind: tuple(map(_rule, _listed(rules))) for kind, rules in value.items()})


def _listed(value: Any) -> list[Any]:
    if isinstance(value, Mapping | str):
        return [value]
    items = list(value)
    return [items] if items and all(isinstance(item, str) for item in items) else items


def _rule(value: Any) -> Rule:
    if not isinstance(value, Mapping):
        return Rule(_texts(value))
    if (unknown := set(value) - _RULE) or "to" not in value:
        wrong = f"no {', '.join(sorted(unknown))}" if unknown else "to be told whom it is for: `to`"
        raise ValueError(f"a rule of notify has {wrong} (there are {', '.join(sorted(_RULE))})")
    return Rule(
        _texts(value["to"]),
        after=int(value.get("after", 1)),
        remind=_span(value.get("remind")),
        condition=value.get("if"),
        title=value.get("title"),
        body=value.get("body"),
    )


def _texts(value: Any) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else tuple(value)


def _span(value: Any) -> Span | None:
    from runner.schedulers.making import span

    return span(value, "a length of time")


# ── sending ─────────────────────────────────────────────────────────────────────────────────


class Alerts:
    """The outbox of a scheduler that has channels."""

    def __init__(self, channels: Mapping[str, Channel], zone: str, clock: Clock) -> None:
        self._channels = channels
        self._zone = zone
        self._clock = clock
        self._outbox: Outbox | None = None
        self._stores: dict[str, str] = {}
        self._post: Callable[[Event, str], None] = lambda event, store: None

    def open(self, post: Callable[[Event, str], None]) -> None:
        """Get ready to send; `post` is told of a store what arrived."""
        if not self._channels:
            return
        from runner.notify.outbox import Outbox

        self._post = post
        self._outbox = Outbox(
            self._channels, self._delivered, clock=self._clock, log=log.warning, zone=self._zone
        )

    def send(self, delivery: Delivery) -> None:
        """Hand a message on; returns at once."""
        if self._outbox is None:
            log.error("there is no channel %r for %s", delivery.channel, delivery.news.job)
            return
        self._stores[delivery.id] = delivery.news.job.store
        self._outbox.deliver(delivery)

    def close(self, patience: float) -> None:
        """Send what may go within so many seconds; what is left waits in its store."""
        if self._outbox is not None:
            self._outbox.close(patience)
            self._outbox = None

    def _delivered(self, id: str, ok: bool, error: str) -> None:
        store = self._stores.pop(id, None)
        if store is not None:
            self._post(Delivered(id, "" if ok else error or "it did not arrive"), store)
