"""The outbox with real threads; every wait is for a signal.

The clock is real, and stands still where a test is about a timeout or a window: it moves it.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from runner.clock import Clock, SystemClock, VirtualClock
from runner.core.run import AttemptKey, Delivery, News, RunKey
from runner.errors import RunnerError
from runner.moment import MILLISECOND, MINUTE, Span
from runner.notify.base import Message
from runner.notify.outbox import Outbox
from runner.secrets import Secrets
from runner.spec import JobKey
from tests.waiting import wait_until

LONG = 60.0


@dataclass(frozen=True)
class Config:
    urls: tuple[str, ...]
    min_interval: Span | None = None
    quiet: Any = None


class Post:
    """Channels whose targets do as their address says: `good:`, `bad:`, `hang:`."""

    def __init__(self) -> None:
        self.sent: queue.Queue[tuple[str, Message]] = queue.Queue()
        self.told: queue.Queue[tuple[str, bool, str]] = queue.Queue()
        self.release = threading.Event()
        self.hung: queue.Queue[str] = queue.Queue()
        self.bad: set[str] = set()
        self.trouble = "Slack://token@x/y said no, see https://example.com/?key=1"

    def notifier(self, url: str, log: Callable[[str], None]) -> Any:
        post = self

        class Sender:
            def send(self, message: Message) -> None:
                if url.startswith("hang:"):
                    post.hung.put(url)
                    assert post.release.wait(LONG)
                if url in post.bad:
                    raise RunnerError(post.trouble)
                post.sent.put((url, message))

        return Sender()

    def box(self, channels: dict[str, Config], clock: Clock | None = None, **options: Any) -> Outbox:
        box = Outbox(
            channels,
            lambda id, ok, error: self.told.put((id, ok, error)),
            clock=clock or SystemClock(),
            log=lambda text: None,
            notifier=self.notifier,
            **options,
        )
        self.boxes.append(box)
        return box

    boxes: list[Outbox]

    def answers(self, count: int) -> dict[str, tuple[bool, str]]:
        found = [self.told.get(timeout=LONG) for _ in range(count)]
        return {id: (ok, error) for id, ok, error in found}


@pytest.fixture
def post() -> Iterator[Post]:
    made = Post()
    made.boxes = []
    yield made
    made.release.set()
    for box in made.boxes:
        box.close(LONG)


def delivery(id: str, channel: str = "ops", job: str = "etl") -> Delivery:
    return Delivery(id, channel, News("failure", JobKey("default", "f", job), 0))


def test_it_arrives_and_is_told(post: Post) -> None:
    post.box({"ops": Config(("good:a",))}).deliver(delivery("1"))
    assert post.answers(1) == {"1": (True, "")}
    url, message = post.sent.get_nowait()
    assert (url, message.title) == ("good:a", "etl failed")


def test_a_failure_is_told_with_its_reason_and_no_token(post: Post) -> None:
    post.bad.add("bad:a")
    post.box({"ops": Config(("bad:a",))}).deliver(delivery("1"))
    assert post.answers(1) == {"1": (False, "Slack://*** said no, see https://***")}


def test_an_unknown_channel_is_told(post: Post) -> None:
    post.box({}).deliver(delivery("1", "opps"))
    assert post.answers(1) == {"1": (False, "there is no channel 'opps'")}


def test_who_heard_it_does_not_hear_it_again(post: Post) -> None:
    post.bad.add("bad:b")
    box = post.box({"ops": Config(("good:a", "bad:b"))}, window=0)
    box.deliver(delivery("1"))
    assert not post.answers(1)["1"][0]
    post.bad.clear()
    box.deliver(delivery("1"))
    assert post.answers(1) == {"1": (True, "")}
    assert [post.sent.get_nowait()[0] for _ in range(2)] == ["good:a", "bad:b"]
    assert post.sent.empty()


def test_a_target_that_hangs_delays_nobody_else(post: Post) -> None:
    clock = VirtualClock(0)
    channels = {"ops": Config(("hang:a",)), "mail": Config(("good:b",))}
    box = post.box(channels, clock, timeout=100 * MILLISECOND, window=0)
    box.deliver(delivery("1"))
    assert post.hung.get(timeout=LONG) == "hang:a"
    box.deliver(delivery("2", "mail"))
    assert post.answers(1) == {"2": (True, "")}
    clock.advance(100 * MILLISECOND)
    assert post.answers(1) == {"1": (False, "hang:a did not answer in 0.1 s")}
    threads = sending()
    box.deliver(delivery("1"))
    assert post.answers(1) == {"1": (False, "hang:a still hangs on an earlier message")}
    assert sending() == threads
    assert len(threads) == 1
    post.release.set()
    threads[0].join(LONG)
    # It went through after all: told so, without a second message.
    box.deliver(delivery("1"))
    assert post.answers(1) == {"1": (True, "")}
    assert [
        url for url, _ in iter(lambda: post.sent.get_nowait() if not post.sent.empty() else None, None)
    ] == [
        "good:b",
        "hang:a",
    ]


def test_a_hang_of_one_target_keeps_the_other_of_the_channel_for_the_timeout_only(post: Post) -> None:
    clock = VirtualClock(0)
    box = post.box({"ops": Config(("hang:a", "good:b"))}, clock, timeout=50 * MILLISECOND, window=0)
    box.deliver(delivery("1"))
    assert post.hung.get(timeout=LONG) == "hang:a"
    assert post.sent.get(timeout=LONG)[0] == "good:b"
    wait_until(lambda: len(sending()) == 1, "only the one that hangs is still at it")
    assert post.told.empty()
    clock.advance(50 * MILLISECOND)
    assert post.answers(1) == {"1": (False, "hang:a did not answer in 0.05 s")}
    box.deliver(delivery("2"))
    assert post.answers(1) == {"2": (False, "hang:a still hangs on an earlier message")}
    assert post.sent.get(timeout=LONG)[0] == "good:b"


def sending() -> list[threading.Thread]:
    """The threads that are at a message to a target of `ops`."""
    return [thread for thread in threading.enumerate() if thread.name == "runner-notify-ops"]


def test_a_storm_is_few_messages_and_every_delivery_is_told(post: Post) -> None:
    clock = VirtualClock(0)
    box = post.box({"ops": Config(("good:a",))}, clock, window=200 * MILLISECOND)
    box.deliver(delivery("0", job="job0"))
    assert post.answers(1) == {"0": (True, "")}
    for number in range(1, 500):
        box.deliver(delivery(str(number), job=f"job{number}"))
    assert post.told.empty()
    clock.advance(200 * MILLISECOND)
    answers = post.answers(499)
    assert all(ok for ok, _ in answers.values())
    titles = [post.sent.get_nowait()[1].title for _ in range(post.sent.qsize())]
    assert len(titles) == 2
    assert titles[-1].endswith("jobs)")


def test_given_twice_it_is_sent_once(post: Post) -> None:
    box = post.box({"ops": Config(("hang:a",))}, window=0)
    box.deliver(delivery("1"))
    post.hung.get(timeout=LONG)
    box.deliver(delivery("1"))
    post.release.set()
    assert post.answers(1) == {"1": (True, "")}
    box.close(LONG)
    assert post.sent.qsize() == 1
    assert post.told.empty()


def test_closing_sends_what_only_the_window_held(post: Post) -> None:
    box = post.box({"ops": Config(("good:a",))}, window=60 * MINUTE)
    box.deliver(delivery("1"))
    post.answers(1)
    box.deliver(delivery("2"))
    box.close(LONG)
    assert post.answers(1) == {"2": (True, "")}


def test_closing_leaves_the_rest_to_the_next_runner(post: Post) -> None:
    box = post.box({"ops": Config(("good:a",), min_interval=60 * MINUTE)})
    box.deliver(delivery("1"))
    post.answers(1)
    box.deliver(delivery("2"))
    box.close(LONG)
    assert post.told.empty()
    box.deliver(delivery("3"))
    assert post.sent.qsize() == 1


def test_a_channel_that_goes_takes_its_waiting_with_it(post: Post) -> None:
    box = post.box({"ops": Config(("good:a",), quiet="00:00-12:00"), "mail": Config(("good:b",))})
    box.reconfigure({"mail": Config(("good:c",)), "chat": Config(("good:d",))})
    box.deliver(delivery("1"))
    box.deliver(delivery("2", "mail"))
    box.deliver(delivery("3", "chat"))
    assert post.answers(3) == {"1": (False, "there is no channel 'ops'"), "2": (True, ""), "3": (True, "")}
    assert {post.sent.get_nowait()[0] for _ in range(2)} == {"good:c", "good:d"}


def test_secrets_are_filled_in_when_used_and_hidden_in_errors_and_texts(post: Post, tmp_path: Path) -> None:
    secrets = Secrets({"url": {"env": "URL"}}, tmp_path, {"URL": "good:hunter2hunter2"})
    box = post.box({"ops": Config(("${{ secrets.url }}",))}, secrets=secrets, window=0)
    leaky = News(
        "failure", JobKey("default", "f", "etl"), 0, None, {"tail": "login hunter2 good:hunter2hunter2"}
    )
    box.deliver(Delivery("1", "ops", leaky))
    assert post.answers(1) == {"1": (True, "")}
    url, message = post.sent.get_nowait()
    assert url == "good:hunter2hunter2"
    assert message.body.endswith("    login hunter2 ***")
    post.bad.add(url)
    post.trouble = f"cannot use {url}"
    box.deliver(delivery("2"))
    assert post.answers(1) == {"2": (False, "cannot use ***")}


def test_without_secrets_an_address_that_needs_one_is_an_error(post: Post) -> None:
    post.box({"ops": Config(("${{ secrets.url }}",))}).deliver(delivery("1"))
    assert post.answers(1) == {"1": (False, "the address needs a secret, and none is known")}


def test_a_listener_that_raises_stops_nothing(post: Post) -> None:
    def delivered(id: str, ok: bool, error: str) -> None:
        post.told.put((id, ok, error))
        raise RuntimeError("the listener is broken")

    box = Outbox(
        {"ops": Config(("good:a",))},
        delivered,
        clock=SystemClock(),
        log=print,
        notifier=post.notifier,
        window=0,
    )
    post.boxes.append(box)
    for id in ("1", "2"):
        box.deliver(delivery(id))
        assert post.answers(1) == {id: (True, "")}


def test_the_output_goes_along_where_the_rule_asks(post: Post, tmp_path: Path) -> None:
    asked: list[AttemptKey] = []
    log = tmp_path / "etl.log"

    def log_of(attempt: AttemptKey) -> Path:
        asked.append(attempt)
        return log

    box = post.box({"ops": Config(("good:a",))}, window=0, log_of=log_of)
    run = RunKey(JobKey("default", "f", "etl"), 0)
    facts = {"step": "load", "attempt": 2}
    box.deliver(Delivery("1", "ops", News("failure", run.job, 0, run, facts | {"attach_log": True})))
    post.answers(1)
    box.deliver(Delivery("2", "ops", News("failure", run.job, 0, run, facts)))
    post.answers(1)
    assert [post.sent.get_nowait()[1].attachment for _ in range(2)] == [str(log), None]
    assert asked == [AttemptKey(run, "load", 2)]
