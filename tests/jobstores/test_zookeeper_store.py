"""The contract on a real ZooKeeper."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from runner.errors import StoreError
from runner.jobstores.cells import _alive
from runner.jobstores.zookeeper import ZooKeeperJobStore
from runner.testing.jobstore_values import SOURCE
from tests.jobstores import store_servers
from tests.jobstores.keyed_laws import KeyedLaws


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with store_servers.zookeeper() as url:
        yield url


class TestZooKeeper(KeyedLaws):
    @pytest.fixture
    def store(self, server: str) -> Iterator[ZooKeeperJobStore]:
        self.make = lambda **options: ZooKeeperJobStore("/test", hosts=server, **options)
        store = self.opened()
        store._client.delete("/test", recursive=True)
        store.close()
        store.open()
        yield store
        self.close()

    def expire(self, store: Any) -> None:
        store._client.delete(store._node(_alive(SOURCE)))


def test_no_server_is_a_store_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("runner.jobstores.zookeeper._PATIENCE", 0.2)
    store = ZooKeeperJobStore(hosts=f"127.0.0.1:{store_servers.free_port()}")
    with pytest.raises(StoreError, match=r"the store cannot be opened: no answer from 127\.0\.0\.1:"):
        store.open()
