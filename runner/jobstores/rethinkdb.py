"""Jobs, runs and alerts in RethinkDB: a document for each row, and one, the head, through which every turn goes.

RethinkDB changes one document at a time all or nothing, never several. So a turn is first written into the head, in one
step that also looks at the lead: from then on it is written. Then its rows are brought up to date and the head is
cleared; whoever finds a turn in the head does that before anything else. Every row bears the number of the turn that
wrote it and takes nothing from an earlier one, so doing it twice, or late, does no harm. A deleted row stays behind as
an empty one for a while, for the same reason.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from copy import copy
from typing import Any
from uuid import uuid4

from rethinkdb import RethinkDB
from rethinkdb.errors import ReqlAuthError, ReqlDriverError, ReqlError, ReqlOpFailedError, ReqlTimeoutError

from runner.errors import StoreError
from runner.jobstores.base import Fence
from runner.jobstores.clients import given
from runner.jobstores.keyed import ANYWHERE, KeyedJobStore, asked_of, lost
from runner.jobstores.keyed_rows import Put, Row, digest
from runner.jobstores.notice import TICK, Ear
from runner.jobstores.pickled import Codec, CodecName
from runner.moment import SECOND, Span

_TRIES = 50
"""How often a turn is tried again because somebody else wrote meanwhile."""
_STEADY = 5
"""How often tables that change meanwhile are read again before they are taken as they are, row by row."""
_AT_ONCE = 200
_MOST_BYTES = 4_000_000
"""Documents and bytes in one query; a larger turn is put down in parts before the head names them."""
_GONE = 600
"""Seconds after which an empty row is cleared away; no query is under way for that long."""


class RethinkDBJobStore(KeyedJobStore):
    """`host`, `port` and other arguments as the driver's `r.connect` takes them, or an open connection as `client`.

    The documents are in `table` of `database`, which are made where they are missing.
    """

    errors = (OSError, ReqlError)
    unreachable = (OSError, ReqlDriverError)
    refused = (ReqlAuthError,)

    def __init__(
        self,
        database: str = "runner",
        table: str = "jobs",
        client: Any = None,
        pickle_protocol: int | None = None,
        *,
        codec: CodecName = "json",
        alias: str = "default",
        **connect_args: Any,
    ) -> None:
        for name, value in (("database", database), ("table", table)):
            if not value:
                raise ValueError(f'The "{name}" parameter must not be empty')
        super().__init__(alias, Codec.of(codec, pickle_protocol))
        self._names = (database, table)
        self._given = given(client)
        self._arguments = {"timeout": 5, **connect_args}
        self._r = RethinkDB()
        self._connection: Any = self._given

    def _connect(self) -> None:
        r, (database, table) = self._r, self._names
        if self._given is None:
            self._connection = r.connect(**self._arguments)
        place = r.db(database)
        self._made(r.db_list(), database, r.db_create(database))
        self._made(place.table_list(), table, place.table_create(table))
        self._documents = place.table(table, read_mode="majority")
        self._made(self._documents.index_list(), "place", self._documents.index_create("place"))
        self._run(self._documents.index_wait("place"))
        head = {"id": "head", "turn": 0, "journal": None, "leads": {}}
        self._run(self._documents.insert(head, conflict=lambda id, old, new: old))

    def _made(self, listed: Any, name: str, make: Any) -> None:
        if name not in self._run(listed):
            try:
                self._run(make)
            except ReqlOpFailedError:
                if name not in self._run(listed):
                    raise

    def _disconnect(self) -> None:
        if self._given is None:
            self._connection.close(noreply_wait=False)

    def _run(self, query: Any) -> Any:
        if not self._connection.is_open():
            self._connection.reconnect(noreply_wait=False)
        return query.run(self._connection)

    # ── writing ─────────────────────────────────────────────────────────────────────────────

    def _commit(self, fence: Fence | None, absent: Sequence[Row], puts: Sequence[Put]) -> Sequence[Row]:
        moves = [[_id(row), _place(row), row.source, row.key, text] for row, text in dict(puts).items()]
        moves += [[_knock(source), "knocks", source, uuid4().hex, ""] for source in asked_of(puts)]
        guards = {_id(row): row for row in absent}
        parts: list[str] = []
        try:
            journal = self._put_down(moves, parts)
            for _ in range(_TRIES):
                head = self._settled()
                if fence is not None and _number(head, fence.source) != fence.number:
                    raise lost(fence)
                there = [guards[id] for id in self._existing(list(guards))]
                if there:
                    return there
                if self._begun(head["turn"], fence, journal):
                    parts = []
                    self._carry_out({"turn": head["turn"] + 1, "journal": journal})
                    return ()
        finally:
            self._drop(parts)
        raise StoreError("others write to it faster than this turn can be written")

    def _begun(self, turn: int, fence: Fence | None, journal: Mapping[str, Any]) -> bool:
        """Put the turn into the head, unless another turn was or the lead is somebody else's."""
        r = self._r

        def step(head: Any) -> Any:
            right = head["turn"] == turn
            if fence is not None:
                right &= head["leads"][digest(fence.source)]["number"].default(0) == fence.number
            return r.branch(right, {"turn": turn + 1, "journal": r.literal(journal)}, {})

        return bool(self._run(self._documents.get("head").update(step, durability="hard"))["replaced"])

    def _settled(self) -> Mapping[str, Any]:
        """The head, with no turn in it."""
        for _ in range(_TRIES):
            head: Mapping[str, Any] = self._run(self._documents.get("head"))
            if head["journal"] is None:
                return head
            self._carry_out(head)
        raise StoreError("it changes faster than it can be read")

    def _carry_out(self, head: Mapping[str, Any]) -> None:
        """Bring the rows of the turn in the head up to date, and clear the head."""
        r, turn, journal = self._r, head["turn"], head["journal"]
        moves = json.loads(journal["moves"])
        if journal["parts"]:
            found = {part["id"]: part for part in self._run(self._documents.get_all(*journal["parts"]))}
            if len(found) < len(journal["parts"]):
                return  # Another was faster, and has cleared it away.
            moves += [move for id in journal["parts"] for move in json.loads(found[id]["moves"])]
        for some in _portions(moves):
            rows = [self._document(turn, *move) for move in some]
            newer = self._documents.insert(
                rows,
                conflict=lambda id, old, new: r.branch(old["turn"] < new["turn"], new, old),
                durability="hard",
            )
            _checked(self._run(newer))
        cleared = self._documents.get("head").update(
            lambda head: r.branch(head["turn"] == turn, {"journal": None}, {}), durability="hard"
        )
        self._run(cleared)
        self._drop(journal["parts"])

    def _document(
        self, turn: int, id: str, place: str, source: str, key: str, text: str | None
    ) -> Mapping[str, Any]:
        if text is None:
            return {"id": id, "place": "gone", "turn": turn, "at": self._r.now().to_epoch_time()}
        return {"id": id, "place": place, "source": source, "key": key, "text": text, "turn": turn}

    def _put_down(self, moves: Sequence[Sequence[Any]], parts: list[str]) -> Mapping[str, Any]:
        """What goes into the head: the moves, or the names of the parts they were put down in."""
        portions = list(_portions(moves, len(moves)))
        if len(portions) <= 1:
            return {"moves": json.dumps(moves), "parts": []}
        name = uuid4().hex
        for number, some in enumerate(portions):
            parts.append(f"part/{name}/{number}")
            part = {"id": parts[-1], "moves": json.dumps(some)}
            _checked(self._run(self._documents.insert(part, durability="hard")))
        return {"moves": "[]", "parts": list(parts)}

    def _drop(self, parts: Sequence[str]) -> None:
        if parts:
            self._run(self._documents.get_all(*parts).delete())

    # ── reading ─────────────────────────────────────────────────────────────────────────────

    def _existing(self, ids: Sequence[str]) -> list[str]:
        found: list[str] = []
        for at in range(0, len(ids), _AT_ONCE):
            rows = self._run(self._documents.get_all(*ids[at : at + _AT_ONCE]).pluck("id", "place"))
            found += [row["id"] for row in rows if row["place"] != "gone"]
        return found

    def _all(self, source: str, *tables: str) -> Mapping[str, Sequence[tuple[str, str]]]:
        for tried in range(_TRIES):
            head = self._settled()
            found: dict[str, list[tuple[str, str]]] = {table: [] for table in tables}
            places = {_place(Row(table, source, "")): table for table in tables}
            for row in self._run(self._documents.get_all(*places, index="place")):
                found[places[row["place"]]].append((row["key"], row["text"]))
            after = self._run(self._documents.get("head"))
            if (after["turn"] == head["turn"] and after["journal"] is None) or tried >= _STEADY:
                return found
        raise StoreError("it changes faster than it can be read")

    def _get(self, row: Row) -> str | None:
        self._settled()
        found = self._run(self._documents.get(_id(row)))
        return None if found is None or found["place"] == "gone" else found["text"]

    def _sources(self) -> Sequence[str]:
        rows = self._run(self._documents.pluck("source").distinct())
        return sorted(row["source"] for row in rows if row.get("source", ANYWHERE) != ANYWHERE)

    # ── leading ─────────────────────────────────────────────────────────────────────────────

    def _take(self, source: str, owner: str, lease: Span) -> int | None:
        r, name = self._r, digest(source)
        there = r.now().to_epoch_time()  # The server's clock: runners whose own differ still agree.
        until = there + lease / SECOND

        def step(head: Any) -> Any:
            lead = head["leads"][name].default({"number": 0, "owner": "", "until": 0})
            mine = {"leads": {name: {"until": until}}}
            taken = {"leads": {name: {"number": lead["number"] + 1, "owner": owner, "until": until}}}
            free = lead["until"] < there
            return r.branch(free, taken, r.branch(lead["owner"] == owner, mine, {}))

        before = _number(self._run(self._documents.get("head")), source)
        self._run(self._documents.get("head").update(step, durability="hard"))
        lead = self._run(self._documents.get("head"))["leads"][name]
        if lead["owner"] != owner:
            return None
        if lead["number"] != before:
            old = self._documents.get_all("gone", index="place").filter(lambda row: row["at"] < there - _GONE)
            self._run(old.delete())
        return int(lead["number"])

    def _end(self, fence: Fence) -> None:
        r, name = self._r, digest(fence.source)

        def step(head: Any) -> Any:
            lead = head["leads"][name]
            mine = (lead["number"] == fence.number) & (lead["owner"] == fence.owner)
            return r.branch(mine, {"leads": {name: {"until": 0}}}, {})

        if self._run(self._documents.get("head").update(step, durability="hard"))["replaced"]:
            knock = {"id": _knock(fence.source), "place": "knocks", "turn": 0, "key": uuid4().hex, "text": ""}
            self._run(self._documents.insert(knock, conflict="update"))

    # ── notice ──────────────────────────────────────────────────────────────────────────────

    def _notices(self, source: str, ear: Ear) -> Iterator[None]:
        connection = self._another_connection()
        try:
            feed = self._documents.get(_knock(source)).changes().run(connection)
            yield
            while not ear.closed.is_set():
                try:
                    feed.next(wait=TICK)
                except ReqlTimeoutError:
                    continue
                yield
        finally:
            connection.close(noreply_wait=False)

    def _another_connection(self) -> Any:
        """A driver's connection is for one thread: one more to the same server, as the same user."""
        if self._given is None:
            return self._r.connect(**self._arguments)
        another = copy(self._given)
        another.handshake, another._instance = copy(another.handshake), None
        another.reconnect(noreply_wait=False)
        return another


def _portions(moves: Sequence[Sequence[Any]], most: int = _AT_ONCE) -> Iterator[list[Sequence[Any]]]:
    """The moves in groups that one query takes."""
    some: list[Sequence[Any]] = []
    size = 0
    for move in moves:
        long = sum(len(each.encode(errors="surrogatepass")) for each in move if each is not None)
        if some and (len(some) >= most or size + long > _MOST_BYTES):
            yield some
            some, size = [], 0
        some.append(move)
        size += long
    if some:
        yield some


def _checked(answer: Mapping[str, Any]) -> None:
    """An insert does not raise: it says how many documents failed."""
    if answer.get("errors"):
        raise StoreError(f"RethinkDB refuses a row: {answer.get('first_error', 'it does not say why')}")


def _id(row: Row) -> str:
    return f"{_place(row)}/{digest(row.key)}"


def _place(row: Row) -> str:
    return f"{row.table}/{digest(row.source)}"


def _knock(source: str) -> str:
    return f"knock/{digest(source)}"


def _number(head: Mapping[str, Any], source: str) -> int:
    return int(head["leads"].get(digest(source), {"number": 0})["number"])
