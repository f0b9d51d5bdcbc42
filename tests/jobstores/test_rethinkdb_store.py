"""The contract on a stand-in that speaks RethinkDB's protocol (rethinkdb_stand_in.py says what it is and is not), and
on a real RethinkDB where RUNNER_TEST_RETHINKDB names one as host:port."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import pytest

from runner.errors import StoreError
from runner.jobstores.keyed_rows import digest
from runner.jobstores.rethinkdb import RethinkDBJobStore
from runner.testing.jobstore_values import NOON, SOURCE
from tests.jobstores import store_servers
from tests.jobstores.keyed_laws import KeyedLaws
from tests.jobstores.writing_program import batch


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
        store._run(store._documents.get("head").update({"leads": {digest(SOURCE): {"until": 1}}}))


def test_no_server_is_a_store_error() -> None:
    store = RethinkDBJobStore(port=store_servers.free_port())
    with pytest.raises(StoreError, match=r"the store cannot be opened: .*refused"):
        store.open()


STAND_IN_ONLY = pytest.mark.skipif("RUNNER_TEST_RETHINKDB" in os.environ, reason="of the stand-in only")


@STAND_IN_ONLY
@pytest.mark.parametrize("documents", [0, 1, 2, 15, 30, 60, 61])
def test_a_server_that_dies_within_a_turn_has_all_of_it_or_nothing(documents: int) -> None:
    with store_servers.rethinkdb() as server:
        assert isinstance(server, store_servers.Url)
        assert server.server is not None
        host, port = server.split(":")
        store = RethinkDBJobStore(host=host, port=int(port))
        store.open()
        store.write(batch(1, 30))
        server.server.besides = ["--die-after", str(documents)]
        server.server.restart()
        store.close()
        store.open()
        with pytest.raises(StoreError):
            store.write(batch(2, 30))
        server.server.besides = []
        server.server.restart()
        store.close()
        store.open()
        loaded = store.load(SOURCE)
        moments = {job.next_at for job in loaded.jobs}
        assert moments == ({NOON + 2} if documents else {NOON + 1})
        assert len(loaded.runs) == (60 if documents else 30)
        store.close()


@STAND_IN_ONLY
def test_a_wrong_password_is_refused() -> None:
    with store_servers.rethinkdb("--password", "secret") as server:
        host, port = server.split(":")
        right = RethinkDBJobStore(host=host, port=int(port), password="secret")
        right.open()
        right.close()
        with pytest.raises(StoreError, match="Wrong password"):
            RethinkDBJobStore(host=host, port=int(port), password="guessed").open()
