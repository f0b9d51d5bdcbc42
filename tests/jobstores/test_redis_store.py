"""The contract on a real Redis."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from runner.errors import StoreError
from runner.jobstores.base import LEASE
from runner.jobstores.redis import RedisJobStore
from runner.testing.jobstore_values import NOON, SOURCE
from tests.jobstores import store_servers
from tests.jobstores.keyed_laws import KeyedLaws


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with store_servers.redis() as url:
        yield url


class TestRedis(KeyedLaws):
    @pytest.fixture
    def store(self, server: str) -> Iterator[RedisJobStore]:
        self.make = lambda **options: RedisJobStore(url=server, **options)
        store = self.opened()
        store._client.flushdb()
        yield store
        self.close()

    def expire(self, store: Any) -> None:
        store._client.delete("{runner}:lease:" + SOURCE)

    def test_a_lead_that_lasts_longer_does_so_on_the_server_and_is_short_again(self, store: Any) -> None:
        store.hold(SOURCE, "me", NOON, 10 * LEASE)
        assert store._client.pttl("{runner}:lease:" + SOURCE) > LEASE // 1000
        store.hold(SOURCE, "me", NOON)
        assert store._client.pttl("{runner}:lease:" + SOURCE) <= LEASE // 1000


def test_no_server_is_a_store_error() -> None:
    store = RedisJobStore(url=f"redis://127.0.0.1:{store_servers.free_port()}/0")
    with pytest.raises(StoreError, match="the store cannot be opened: Error 111 connecting to"):
        store.open()
