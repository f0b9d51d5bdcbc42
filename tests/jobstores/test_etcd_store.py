"""The contract on a real etcd."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from runner.errors import StoreError
from runner.jobstores.cells import _alive
from runner.jobstores.etcd import EtcdJobStore
from runner.testing.jobstore_values import SOURCE
from tests.jobstores import store_servers
from tests.jobstores.keyed_laws import KeyedLaws


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with store_servers.etcd() as url:
        yield url


class TestEtcd(KeyedLaws):
    @pytest.fixture
    def store(self, server: str) -> Iterator[EtcdJobStore]:
        host, port = server.split(":")
        self.make = lambda **options: EtcdJobStore("/test", host=host, port=int(port), **options)
        store = self.opened()
        store._client.delete_prefix("/test/")
        yield store
        self.close()

    def expire(self, store: Any) -> None:
        store._client.delete(f"/test/{_alive(SOURCE)}")


def test_no_server_is_a_store_error() -> None:
    store = EtcdJobStore(port=store_servers.free_port())
    with pytest.raises(StoreError, match=r"the store cannot be opened: .*refused"):
        store.open()
