"""Jobs, runs and alerts in MongoDB: a document for each row, one transaction for each turn.

Transactions need a replica set (of one member is enough) or a sharded cluster. Writes are acknowledged by the majority
and journaled, so that what began is on record after a failover.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

from pymongo import DeleteOne, MongoClient, ReadPreference, ReplaceOne, WriteConcern, timeout
from pymongo.errors import ConnectionFailure, DuplicateKeyError, OperationFailure, PyMongoError
from pymongo.read_concern import ReadConcern
from pymongo.uri_parser import parse_uri

from runner.errors import StoreError
from runner.jobstores.base import Fence
from runner.jobstores.clients import given
from runner.jobstores.keyed import ANYWHERE, KeyedJobStore, lost
from runner.jobstores.keyed_rows import Put, Row
from runner.jobstores.notice import TICK, Ear
from runner.jobstores.pickled import Codec, CodecName
from runner.moment import Span

_PATIENCE = 5.0
"""Seconds a turn may take before it counts as failed."""
_NO_TRANSACTIONS = 20
"""IllegalOperation: transaction numbers are only allowed on a replica set member or mongos."""


class MongoDBJobStore(KeyedJobStore):
    """`host` and other arguments as pymongo takes them, or a `url` (`mongodb://host:27017/?replicaSet=rs0`), or a
    `client` of one's own.

    The documents are in `database` (that of the URL, else `runner`), collections `<collection>` and
    `<collection>_leads`.
    """

    errors = (OSError, PyMongoError)
    unreachable = (OSError, ConnectionFailure)

    def __init__(
        self,
        database: str | None = None,
        collection: str = "jobs",
        client: Any = None,
        pickle_protocol: int | None = None,
        *,
        url: str | None = None,
        codec: CodecName = "json",
        alias: str = "default",
        **connect_args: Any,
    ) -> None:
        if database is None:
            database = _named_in(url)
        for name, value in (("database", database), ("collection", collection)):
            if not value:
                raise ValueError(f'The "{name}" parameter must not be empty')
        super().__init__(alias, Codec.of(codec, pickle_protocol))
        self._arguments = {"serverSelectionTimeoutMS": 5000, "socketTimeoutMS": 10000, **connect_args}
        if url:
            self._arguments["host"] = url
        self._given = given(client)
        self._client: Any = self._given
        self._names = (database, collection)

    def _connect(self) -> None:
        if self._given is None:
            self._client = MongoClient(**self._arguments)
        database, collection = self._names
        concerns: dict[str, Any] = {
            "write_concern": WriteConcern(w="majority", j=True),
            "read_concern": ReadConcern("majority"),
            "read_preference": ReadPreference.PRIMARY,
        }
        self._documents = self._client[database].get_collection(collection, **concerns)
        self._leads = self._client[database].get_collection(f"{collection}_leads", **concerns)
        self._session = self._client.start_session()
        self._documents.create_index([("table", 1), ("source", 1)])
        self._leads.create_index([("source", 1)])

    def _disconnect(self) -> None:
        self._session.end_session()
        if self._given is None:
            self._client.close()

    def _commit(self, fence: Fence | None, absent: Sequence[Row], puts: Sequence[Put]) -> Sequence[Row]:
        moves = {_id(row): (row, text) for row, text in puts}
        operations = [
            DeleteOne({"_id": id})
            if text is None
            else ReplaceOne({"_id": id}, {"_id": id, **row._asdict(), "text": text}, upsert=True)
            for id, (row, text) in moves.items()
        ]
        guards = {_id(row): row for row in absent}

        def perform(session: Any) -> Sequence[Row]:
            if fence is not None:
                # A write, not a read: two leaders cannot both get past it.
                mine = {"_id": fence.source, "number": fence.number}
                if not self._leads.update_one(mine, {"$inc": {"turns": 1}}, session=session).matched_count:
                    raise lost(fence)
            if guards:
                wanted = {"_id": {"$in": list(guards)}}
                there = [
                    guards[each["_id"]] for each in self._documents.find(wanted, {"_id": 1}, session=session)
                ]
                if there:
                    session.abort_transaction()
                    return there
            if operations:
                self._documents.bulk_write(operations, session=session)
            return ()

        try:
            # pymongo alone would go on for two minutes; the engine tries again itself, and has other things to do.
            with timeout(_PATIENCE):
                found: Sequence[Row] = self._session.with_transaction(
                    perform, write_concern=WriteConcern(w="majority", j=True)
                )
                return found
        except OperationFailure as error:
            if error.code == _NO_TRANSACTIONS:
                raise StoreError(
                    "the batch cannot be written: this MongoDB has no transactions",
                    hint="run it as a replica set, of one member if need be",
                ) from error
            raise

    def _all(self, source: str, *tables: str) -> Mapping[str, Sequence[tuple[str, str]]]:
        found: dict[str, list[tuple[str, str]]] = {table: [] for table in tables}
        wanted = {"table": {"$in": list(tables)}, "source": source}
        # In a transaction, so that all is seen as one moment left it.
        with self._client.start_session() as session, session.start_transaction(ReadConcern("snapshot")):
            for each in self._documents.find(wanted, {"table": 1, "key": 1, "text": 1}, session=session):
                found[each["table"]].append((each["key"], each["text"]))
        return found

    def _get(self, row: Row) -> str | None:
        found = self._documents.find_one({"_id": _id(row)})
        return None if found is None else found["text"]

    def _sources(self) -> Sequence[str]:
        return sorted(source for source in self._documents.distinct("source") if source != ANYWHERE)

    def _take(self, source: str, owner: str, lease: Span) -> int | None:
        there = self._server_time()
        until = there + lease // 1000
        found = self._leads.find_one({"_id": source})
        if found is None:
            try:
                first = {"_id": source, "number": 1, "owner": owner, "until": until, "turns": 0}
                first["session"] = self._session.session_id
                self._leads.insert_one(first)
            except DuplicateKeyError:
                return None
            return 1
        mine = found["owner"] == owner and found["until"] >= there
        if not mine and found["until"] >= there:
            return None
        number = int(found["number"]) + (0 if mine else 1)
        same = {"_id": source, "number": found["number"], "until": found["until"]}
        renewed = {
            "$set": {
                "number": number,
                "owner": owner,
                "until": until,
                "session": self._session.session_id,
            }
        }
        if not mine:
            self._end_turn_of(found)
        return number if self._leads.update_one(same, renewed).matched_count else None

    def _end_turn_of(self, lead: Mapping[str, Any]) -> None:
        """A leader that died in the middle of a turn leaves its transaction open, and what it wrote to is closed to
        everybody for a minute (transactionLifetimeLimitSeconds), the lead too: end it."""
        session = lead.get("session")
        if session is not None:
            with suppress(OperationFailure):  # Not allowed, or not known: then it takes that minute.
                self._client.admin.command("killSessions", [session])

    def _server_time(self) -> int:
        """Milliseconds by the server's clock: runners whose own differ still agree."""
        said: datetime = self._client.admin.command("hello")["localTime"]
        return int(said.replace(tzinfo=said.tzinfo or UTC).timestamp() * 1000)

    def _end(self, fence: Fence) -> None:
        mine = {"_id": fence.source, "number": fence.number, "owner": fence.owner}
        if self._leads.update_one(mine, {"$set": {"until": 0}}).matched_count:
            knock = {"_id": f"knock\n{fence.source}", "table": "knocks", "source": fence.source}
            self._documents.replace_one({"_id": knock["_id"]}, {**knock, "number": fence.number}, upsert=True)

    def _tells(self) -> bool:
        try:
            self._documents.watch([], max_await_time_ms=1).close()
        except PyMongoError:
            return False
        return True

    def _notices(self, source: str, ear: Ear) -> Iterator[None]:
        wanted = {"fullDocument.source": source, "fullDocument.table": {"$in": ["requests", "knocks"]}}
        with self._documents.watch([{"$match": wanted}], max_await_time_ms=int(TICK * 1000)) as stream:
            yield
            while not ear.closed.is_set():
                if stream.try_next() is not None:
                    yield


def _id(row: Row) -> str:
    return "\n".join(row)


def _named_in(url: str | None) -> str:
    """The database of a URL. `admin` there says who logs in, not where jobs are kept."""
    name = str(parse_uri(url, validate=False).get("database") or "") if url and "+srv" not in url else ""
    return name if name not in ("", "admin") else "runner"
