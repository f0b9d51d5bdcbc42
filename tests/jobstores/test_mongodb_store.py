"""The contract on two independent servers that speak MongoDB's protocol, neither of them MongoDB itself; and on a
real one where RUNNER_TEST_MONGODB names it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import pytest
from pymongo import MongoClient

from runner.errors import StoreError
from runner.jobstores.base import LEASE
from runner.jobstores.mongodb import MongoDBJobStore
from runner.testing.jobstore_values import NOON, SOURCE
from tests.jobstores import store_servers
from tests.jobstores.keyed_laws import KeyedLaws

KINDS = ["secantus", "nx", *(["real"] if "RUNNER_TEST_MONGODB" in os.environ else [])]


@pytest.fixture(scope="module", params=KINDS)
def server(request: pytest.FixtureRequest) -> Iterator[str]:
    with store_servers.mongodb(request.param) as url:
        yield url


class TestMongoDB(KeyedLaws):
    @pytest.fixture
    def store(self, server: str) -> Iterator[MongoDBJobStore]:
        self.make = lambda **options: MongoDBJobStore("runner_test", url=server, **options)
        store = self.opened()
        store._documents.delete_many({})
        store._leads.delete_many({})
        yield store
        self.close()

    def expire(self, store: Any) -> None:
        store._leads.update_one({"_id": SOURCE}, {"$inc": {"until": -4001}})

    def test_a_lead_that_lasts_longer_does_so_on_the_server_and_is_short_again(self, store: Any) -> None:
        other = self.opened()
        assert store.hold(SOURCE, "me", NOON, 10 * LEASE) is not None
        self.expire(store)
        assert other.hold(SOURCE, "you", NOON) is None
        assert store.hold(SOURCE, "me", NOON) is not None
        self.expire(store)
        assert other.hold(SOURCE, "you", NOON) is not None


def test_no_server_is_a_store_error() -> None:
    url = f"mongodb://127.0.0.1:{store_servers.free_port()}/"
    store = MongoDBJobStore(url=url, serverSelectionTimeoutMS=100)
    with pytest.raises(StoreError, match=r"the store cannot be opened: 127.0.0.1:.*refused"):
        store.open()


@pytest.mark.parametrize("kind", KINDS)
def test_what_one_client_has_not_committed_is_not_seen_by_another(kind: str) -> None:
    """On nx-27017 it is, and one's commit takes the other's along: so it is no server for two programs at once. Where
    this fails, it has learned it, and belongs to those of test_shared_stores.py again."""
    with store_servers.mongodb(kind) as url:
        one: MongoClient[Any] = MongoClient(url, directConnection=True)
        other: MongoClient[Any] = MongoClient(url, directConnection=True)
        with one, other, one.start_session() as mine, other.start_session() as theirs:
            one.apart.things.insert_one({"_id": 0})
            with mine.start_transaction():
                one.apart.things.insert_one({"_id": 1}, session=mine)
                theirs.start_transaction()
                seen = [each["_id"] for each in other.apart.things.find({}, session=theirs)]
                theirs.abort_transaction()
                mine.abort_transaction()
    assert seen == ([0, 1] if kind == "nx" else [0])
