"""Carries deliveries to their channels, each in threads of its own, and says which arrived.

One thread decides when a channel may speak (gate.py) and watches the time; each target (one URL of a channel)
has at most one thread of its own, only while it sends. So a target that hangs keeps nobody else waiting: after
`timeout` its deliveries are reported as not arrived, and until it returns it is refused at once.

Whether and when a delivery is tried again is the core's to say: it is told, and asks again with `deliver`.
A delivery whose first target heard of it and whose second did not is sent to the second only, the next time.
"""

from __future__ import annotations

import contextlib
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

from runner.clock import Clock
from runner.core.run import AttemptKey, Delivery
from runner.errors import RunnerError
from runner.moment import SECOND, Moment, Span
from runner.notify.address import filled, masked
from runner.notify.base import Message, Notifier
from runner.notify.compose import Render, digest, rendered
from runner.notify.facts import zone_of
from runner.notify.gate import WINDOW, Gate, Quiet
from runner.notify.targets import notifier_for
from runner.secrets import Secrets

TIMEOUT: Span = 10 * SECOND
_LONGEST_WAIT = 30.0
"""Seconds; a waiting thread does not notice a suspended night or a clock that was set, so it looks up."""
_REMEMBERED = 10_000


class ChannelConfig(Protocol):
    """What configuration says of a channel. `urls` may hold `${{ secrets.NAME }}`."""

    @property
    def urls(self) -> Sequence[str]: ...
    @property
    def min_interval(self) -> Span | None: ...
    @property
    def quiet(self) -> Any: ...


Delivered = Callable[[str, bool, str], None]
"""Told of each delivery: its id, whether it arrived, and if not, why."""


class _Target:
    """One URL of a channel, as it was written. `busy`: a thread is at it."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.busy = False
        self.accepted: OrderedDict[str, None] = OrderedDict()

    def heard(self, deliveries: Sequence[Delivery]) -> None:
        for delivery in deliveries:
            self.accepted[delivery.id] = None
        while len(self.accepted) > _REMEMBERED:
            self.accepted.popitem(last=False)


@dataclass(slots=True)
class _Sending:
    """A message on its way to all targets of a channel."""

    deliveries: Sequence[Delivery]
    deadline: Span
    ids: frozenset[str]
    outstanding: dict[_Target, Sequence[Delivery]] = field(default_factory=dict)
    errors: dict[str, list[str]] = field(default_factory=dict)

    def failed(self, deliveries: Sequence[Delivery], error: str) -> None:
        for delivery in deliveries:
            self.errors.setdefault(delivery.id, []).append(error)


class _Channel:
    def __init__(self, name: str, gate: Gate) -> None:
        self.name = name
        self.gate = gate
        self.targets: list[_Target] = []
        self.sending: _Sending | None = None


class Outbox:
    """Everything is done in threads of its own; `delivered` and `log` are called from them.

    `zone` (an IANA name) is whose clock `quiet` means, and whose times messages name where the job has none.
    `render` fills the titles and bodies that rules bring along. `log` takes what `log:` channels say. `log_of`
    finds the output of an attempt, for rules that send it along.
    """

    def __init__(
        self,
        channels: Mapping[str, ChannelConfig],
        delivered: Delivered,
        *,
        clock: Clock,
        log: Callable[[str], None],
        secrets: Secrets | None = None,
        zone: str = "UTC",
        render: Render = rendered,
        log_of: Callable[[AttemptKey], Path | None] = lambda attempt: None,
        window: Span = WINDOW,
        timeout: Span = TIMEOUT,
        notifier: Callable[[str, Callable[[str], None]], Notifier] = notifier_for,
    ) -> None:
        self._delivered = delivered
        self._clock = clock
        self._log = log
        self._secrets = secrets
        self._zone = zone
        self._render = render
        self._log_of = log_of
        self._window = window
        self._timeout = timeout
        self._notifier = notifier
        self._changed = threading.Condition()
        self._channels: dict[str, _Channel] = {}
        self._retired: list[_Channel] = []
        self._reports: list[tuple[str, str]] = []
        self._thread: threading.Thread | None = None
        self._closing = False
        self.reconfigure(channels)

    def deliver(self, delivery: Delivery) -> None:
        """Take it in hand; returns at once. The same delivery given twice while it waits is sent once."""
        with self._changed:
            if self._closing:
                return
            channel = self._channels.get(delivery.channel)
            if channel is None:
                self._reports.append((delivery.id, f"there is no channel {delivery.channel!r}"))
            elif not _on_its_way(channel, delivery):
                channel.gate.add(delivery)
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="runner-outbox", daemon=True)
                self._thread.start()
            self._changed.notify()

    def reconfigure(self, channels: Mapping[str, ChannelConfig], *, zone: str | None = None) -> None:
        """Use these channels from now on. What waits for a channel that is gone is reported as not arrived."""
        with self._changed:
            self._zone = zone or self._zone
            for name in [name for name in self._channels if name not in channels]:
                gone = self._channels.pop(name)
                self._retired.append(gone)
                self._reports += [
                    (delivery.id, f"there is no channel {name!r}") for delivery in gone.gate.drain()
                ]
            for name, config in channels.items():
                channel = self._channels.get(name)
                if channel is None:
                    channel = self._channels[name] = _Channel(name, Gate(zone=zone_of(self._zone)))
                self._set(channel, config)
            self._changed.notify()

    def close(self, timeout: float = 5.0) -> None:
        """Send what may go, for at most `timeout` seconds. What is left waits in the store for the next runner."""
        with self._changed:
            self._closing = True
            self._changed.notify()
            thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            thread.join(timeout)

    def _set(self, channel: _Channel, config: ChannelConfig) -> None:
        known = {target.url: target for target in channel.targets}
        channel.targets = [known.get(url) or _Target(url) for url in dict.fromkeys(config.urls)]
        # What goes no further than this process's own log needs no protection from a storm of messages.
        window = 0 if all(url.startswith("log:") for url in config.urls) else self._window
        channel.gate.set(
            zone=zone_of(self._zone),
            window=window,
            min_interval=config.min_interval,
            quiet=_quiet(config.quiet),
        )

    # ── the thread that decides ─────────────────────────────────────────────────────────────

    def _work(self) -> None:
        while True:
            with self._changed:
                calls = self._turn()
                if not calls:
                    if self._closing and not any(channel.sending for channel in self._all()):
                        return
                    self._changed.wait(self._patience())
                    continue
            for call in calls:
                # A listener that raises is its own trouble; the messages go on.
                with contextlib.suppress(Exception):
                    call()

    def _all(self) -> list[_Channel]:
        return [*self._channels.values(), *self._retired]

    def _turn(self) -> list[Callable[[], None]]:
        """What is to be done now, to be called without the lock."""
        now, elapsed = self._clock.now(), self._clock.elapsed()
        calls: list[Callable[[], None]] = []
        for channel in self._all():
            if channel.sending is not None:
                self._settle(channel, channel.sending, elapsed)
            if channel.sending is None and (batch := self._batch(channel, now)):
                calls += self._begin(channel, batch, elapsed)
        self._retired = [channel for channel in self._retired if channel.sending]
        reports, self._reports = self._reports, []
        return [*(self._report(id, error) for id, error in reports), *calls]

    def _batch(self, channel: _Channel, now: Moment) -> list[Delivery]:
        if self._closing and not channel.gate.hurry(now):
            return []
        return channel.gate.take(now)

    def _begin(self, channel: _Channel, batch: Sequence[Delivery], elapsed: Span) -> list[Callable[[], None]]:
        sending = channel.sending = _Sending(
            batch, elapsed + self._timeout, frozenset(delivery.id for delivery in batch)
        )
        calls: list[Callable[[], None]] = []
        for target in channel.targets:
            todo = [delivery for delivery in batch if delivery.id not in target.accepted]
            if todo and target.busy:
                sending.failed(todo, f"{masked(target.url)} still hangs on an earlier message")
            elif todo:
                target.busy = True
                sending.outstanding[target] = todo
                thread = threading.Thread(
                    target=self._send,
                    args=(target, sending, todo),
                    name=f"runner-notify-{channel.name}",
                    daemon=True,
                )
                calls.append(thread.start)
        if not sending.outstanding:
            self._settle(channel, sending, elapsed)
        return calls

    def _settle(self, channel: _Channel, sending: _Sending, elapsed: Span) -> None:
        """Close a sending whose targets all answered, or whose time is over."""
        if sending.outstanding:
            if elapsed < sending.deadline:
                return
            for target, deliveries in sending.outstanding.items():
                waited = self._timeout / SECOND
                sending.failed(deliveries, f"{masked(target.url)} did not answer in {waited:g} s")
        for delivery in sending.deliveries:
            self._reports.append((delivery.id, "; ".join(sending.errors.get(delivery.id, ()))))
        channel.sending = None

    def _report(self, id: str, error: str) -> Callable[[], None]:
        return lambda: self._delivered(id, not error, error)

    def _patience(self) -> float | None:
        """How long nothing can happen by itself, in seconds; None where only a word from outside matters."""
        now, elapsed = self._clock.now(), self._clock.elapsed()
        spans = []
        for channel in self._all():
            if channel.sending is not None:
                spans.append(channel.sending.deadline - elapsed)
            elif not self._closing and (due := channel.gate.next_at(now)) is not None:
                spans.append(due - now)
        return min(max(min(spans), 0) / SECOND + 0.001, _LONGEST_WAIT) if spans else None

    # ── the threads that send ───────────────────────────────────────────────────────────────

    def _send(self, target: _Target, sending: _Sending, deliveries: Sequence[Delivery]) -> None:
        error = ""
        try:
            url = filled(target.url, self._secrets)
            self._notifier(url, self._log).send(self._message(deliveries))
        except BaseException as trouble:
            error = masked(_words(trouble), self._secrets) or type(trouble).__name__
        with self._changed:
            target.busy = False
            if not error:
                target.heard(deliveries)
            if sending.outstanding.pop(target, None) is not None and error:
                sending.failed(deliveries, error)
            self._changed.notify()

    def _message(self, deliveries: Sequence[Delivery]) -> Message:
        message = digest([delivery.news for delivery in deliveries], zone=self._zone, render=self._render)
        if self._secrets is not None:
            hide = self._secrets.mask
            message = replace(message, title=hide(message.title), body=hide(message.body))
        return self._with_log(message, deliveries)

    def _with_log(self, message: Message, deliveries: Sequence[Delivery]) -> Message:
        """The output goes along with a message about one run, where its rule asks for it and it is there."""
        news = deliveries[0].news
        if len(deliveries) > 1 or news.run is None or news.facts.get("attach_log") is not True:
            return message
        step, attempt = news.facts.get("step"), news.facts.get("attempt")
        if not isinstance(step, str) or not isinstance(attempt, int):
            return message
        log = self._log_of(AttemptKey(news.run, step, attempt))
        return message if log is None else replace(message, attachment=str(log))


def _on_its_way(channel: _Channel, delivery: Delivery) -> bool:
    return channel.sending is not None and any(
        other.id == delivery.id for other in channel.sending.deliveries
    )


def _quiet(value: Any) -> Quiet | None:
    """Quiet times as text (`22:00-07:00`) or as they come from configuration."""
    if not value:
        return None
    return Quiet.parse(value) if isinstance(value, str) else Quiet(*value)


def _words(trouble: BaseException) -> str:
    return trouble.fact if isinstance(trouble, RunnerError) else f"{type(trouble).__name__}: {trouble}"
