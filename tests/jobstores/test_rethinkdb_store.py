"""The contract on a stand-in that speaks RethinkDB's protocol (rethinkdb_stand_in.py says what it is and is not), and
on a real RethinkDB where RUNNER_TEST_RETHINKDB names one as host:port."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import store_servers
from keyed_laws import KeyedLaws

from runner.errors import StoreError
from runner.jobstores.rethinkdb import RethinkDBJobStore, _digest
from runner.testing.jobstore_suite import SOURCE


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with store_servers.rethinkdb() as url:
        yield url


class TestRethinkDB(KeyedLaws):
    @pytest.fixture
    def store(self, server: str) -> Iterator[RethinkDBJobStore]:
        host, port = server.split(":")
        self.make = lambda **options: RethinkDBJobStore("runner_test", host=host, port=int(port), **options)
        store = self.opened()
        store._run(store._documents.delete())
        store.close()
        store.open()
        yield store
        self.close()

    def expire(self, store: Any) -> None:
        store._run(store._documents.get("head").update({"leads": {_digest(SOURCE): {"until": 1}}}))


def test_no_server_is_a_store_error() -> None:
    store = RethinkDBJobStore(port=store_servers.free_port())
    with pytest.raises(StoreError, match=r"the store cannot be opened: .*refused"):
        store.open()


@pytest.mark.skipif("RUNNER_TEST_RETHINKDB" in __import__("os").environ, reason="of the stand-in only")
def test_a_wrong_password_is_refused() -> None:
    with store_servers.rethinkdb("--password", "secret") as server:
        host, port = server.split(":")
        right = RethinkDBJobStore(host=host, port=int(port), password="secret")
        right.open()
        right.close()
        with pytest.raises(StoreError, match="Wrong password"):
            RethinkDBJobStore(host=host, port=int(port), password="guessed").open()
