"""A connection that breaks in the middle of a batch, and a server that is killed: all of a batch or nothing."""

from __future__ import annotations

import os
import random
import re
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from typing import Any

import pytest

from runner.core.action import Save
from runner.core.run import Job, Request
from runner.errors import StoreError
from runner.jobstores.cells import CelledJobStore
from runner.testing.jobstore_values import NOON, SOURCE, spec
from tests.jobstores.store_kinds import KINDS, Kind
from tests.jobstores.store_proxy import Proxy
from tests.jobstores.writing_program import batch

PATIENCE = 90.0
CUTS = 20 if os.environ.get("RUNNER_LONG") else 1
"""At how many places, drawn at random, a connection is cut besides the middle and the end."""


@pytest.fixture(scope="module", params=KINDS)
def kind(request: pytest.FixtureRequest) -> Kind:
    return KINDS[request.param]


@pytest.fixture(scope="module")
def url(kind: Kind) -> Iterator[str]:
    with kind.server(own=True) as url:
        yield url


def until(act: Callable[[], Any]) -> Any:
    """The answer, once there is one: a server that was killed, or a client that lost it, takes its time."""
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            return act()
        except StoreError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)


def seen(store: Any) -> tuple[set[int | None], set[int]]:
    """The moments that the jobs of a source are at, and the slots of the runs."""
    loaded = store.load(SOURCE)
    return {job.next_at for job in loaded.jobs}, {each.key.slot for each in loaded.runs}


@pytest.mark.parametrize("size", [3, 100])
def test_a_connection_cut_in_the_middle_of_a_batch_leaves_all_or_nothing(
    kind: Kind, url: str, size: int
) -> None:
    place = re.search(r"127\.0\.0\.1:(\d+)", url)
    assert place is not None
    proxy = Proxy("127.0.0.1", int(place[1]))
    cut_url = url.replace(place[0], f"127.0.0.1:{proxy.port}")
    direct = kind.make(url)
    direct.open()
    try:
        through = kind.make(cut_url)
        through.open()
        through.write(batch(0, size))
        proxy.cut_after(None)
        through.write(batch(1, size))
        whole = proxy.sent
        through.close()
        draw = random.Random(size)
        cuts = [whole // 2, whole - 1, *(draw.randrange(whole) for _ in range(CUTS))]
        for number, count in enumerate(cuts, 2):
            store = kind.make(cut_url)
            if isinstance(store, CelledJobStore):
                store.most_moves = 40  # The larger batch does not fit one transaction.
            proxy.cut_after(None)
            until(store.open)
            before = seen(direct)
            proxy.cut_after(count)
            try:
                store.write(batch(number, size))
                written = True
            except StoreError:
                written = False
            proxy.cut_after(None)
            after = until(partial(seen, direct))
            whole_batch = ({NOON + number}, before[1] | {NOON + number})
            assert after == whole_batch or (after == before and not written), (count, whole)
            # The same batch again, as the engine does it.
            until(partial(store.write, batch(number, size)))
            assert seen(direct) == whole_batch
            store.close()
    finally:
        direct.close()
        proxy.close()


def test_a_killed_server_is_waited_for(kind: Kind, url: Any) -> None:
    if getattr(url, "server", None) is None:
        pytest.skip("the server is not ours to kill")
    store, other = kind.make(url), kind.make(url)
    store.open()
    other.open()
    heard = threading.Event()
    tells = other.listen("/restarted.yaml", heard.set)
    here = [spec(f"kept{number}", source="/restarted.yaml") for number in range(20)]
    store.write([Save(Job(job, NOON)) for job in here])
    fence = store.hold("/restarted.yaml", "me", NOON)
    assert fence is not None
    url.server.end(b"kill")
    with pytest.raises(StoreError):
        for _ in range(3):
            store.write([Save(Job(here[0], NOON + 1))])
    url.server.start()
    until(lambda: store.write([Save(Job(replace(job, name="again"), NOON + 2)) for job in here]))
    loaded = until(lambda: other.load("/restarted.yaml"))
    assert [(job.next_at, job.spec.name) for job in loaded.jobs] == [(NOON + 2, "again")] * 20
    again = until(lambda: held(store))
    assert again.number >= fence.number
    store.write([Save(Job(here[0], NOON + 3))], again)
    if tells:
        deadline = time.monotonic() + PATIENCE
        heard.clear()
        number = 0
        while not heard.wait(0.2):
            assert time.monotonic() < deadline, "it never listens again"
            number += 1
            store.ask(Request(f"r{number}", "/restarted.yaml", "pause", asked_at=NOON))
    store.close()
    other.close()


def held(store: Any) -> Any:
    fence = store.hold("/restarted.yaml", "me", NOON)
    if fence is None:
        raise StoreError("the lease of the connection that was lost has not run out yet")
    return fence
