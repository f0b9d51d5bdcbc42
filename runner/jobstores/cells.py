"""Rows on servers whose transactions are small (ZooKeeper, etcd): whole turns of any size, all or nothing.

A cell is a few bytes under a path, with a version. A turn that fits one transaction is one. A larger one is first put
down in parts that nobody reads yet, then a single transaction makes them the journal: from that moment it is written.
Whoever comes next and finds a journal carries it out to its end before anything else, as often as need be.
A text too long for a cell is put down in parts likewise, before the cell that names them.
"""

from __future__ import annotations

import json
from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple
from uuid import uuid4

from runner.errors import StoreError
from runner.jobstores.base import Fence
from runner.jobstores.clients import given
from runner.jobstores.keyed import ANYWHERE, KeyedJobStore, asked_of, lost
from runner.jobstores.keyed_rows import Put, Row, digest
from runner.jobstores.pickled import Codec, CodecName
from runner.moment import Span

_TRIES = 50
"""How often a turn is tried again because somebody else wrote meanwhile."""
_STEADY = 5
"""How often a table that changes meanwhile is read again before it is taken as it is, row by row."""
_JOURNAL = "journal"


class Cell(NamedTuple):
    """`version` changes with every write and is 0 where there is no cell (then `data` is empty)."""

    version: int
    data: bytes


class Move(NamedTuple):
    """Write the cell, or delete it where `data` is None. `mortal`: it goes when its writer dies."""

    path: str
    data: bytes | None
    mortal: bool = False


_TABLES = ("jobs", "runs", "past", "occurrences", "incidents", "clock", "deliveries", "requests")
"""Those of a source."""


class CelledJobStore(KeyedJobStore):
    """Everything but the server's own commands, which are the abstract methods below. All is under `path`."""

    chooses_lease = False

    def __init__(
        self,
        path: str = "/runner",
        client: Any = None,
        close_connection_on_exit: bool = False,
        pickle_protocol: int | None = None,
        *,
        codec: CodecName = "json",
        alias: str = "default",
        **connect_args: Any,
    ) -> None:
        if not path.strip("/"):
            raise ValueError('The "path" parameter must not be empty')
        super().__init__(alias, Codec.of(codec, pickle_protocol))
        self._root = "/" + path.strip("/")
        self._given = given(client)
        if self._given is not None:
            self._fits(self._given)
        self._close_given = close_connection_on_exit
        self._arguments: dict[str, Any] = {**self.usual, **connect_args}
        self._client: Any = self._given
        self._parted: dict[str, list[str]] = {}

    usual: Mapping[str, Any] = {}
    """What a client is given unless the program says otherwise."""
    most_moves: int
    """Moves, and checks, in one transaction."""
    most_bytes: int
    """Paths and data in one transaction; half of it goes into one cell."""

    def _fits(self, client: Any) -> None:
        """TypeError where the program's client is of another package than ours."""

    @abstractmethod
    def _change(self, checks: Mapping[str, int], moves: Sequence[Move]) -> bool:
        """All moves in one transaction; False, and none, where a cell's version is not the one in `checks`."""

    @abstractmethod
    def _cells(self, paths: Sequence[str]) -> Sequence[Cell]:
        """The cells of these paths as they are now."""

    @abstractmethod
    def _under(self, directory: str) -> Sequence[tuple[str, Cell]]:
        """(path, cell) of everything directly under a path."""

    @abstractmethod
    def _mine(self, path: str, cell: Cell) -> bool:
        """Whether a mortal cell lives as long as this very connection does; renews it where it must be renewed."""

    # ── writing ─────────────────────────────────────────────────────────────────────────────

    def _commit(self, fence: Fence | None, absent: Sequence[Row], puts: Sequence[Put]) -> Sequence[Row]:
        moves = {_path(row): (row, text) for row, text in puts}
        sources = sorted({row.source for row, _ in moves.values()} - {ANYWHERE})
        fixed = [_JOURNAL, *map(_turn, sources)] + ([_lead(fence.source)] if fence else [])
        guards = [_path(row) for row in absent]
        label = f"{digest(fence.source)}.{fence.number}" if fence else "free"
        # Where this fails in the middle nobody knows whether it was written: parts stay, and the next leader sweeps
        # those that nobody names.
        made: list[str] = []
        rows = [self._move(path, row, text, label, made) for path, (row, text) in moves.items()]
        writes = [Move(_turn(source), source.encode()) for source in sources]
        writes += [Move(_knock(source), uuid4().bytes) for source in asked_of(puts)] + rows
        for _ in range(_TRIES):
            cells = dict(zip([*fixed, *guards], self._cells([*fixed, *guards]), strict=True))
            if cells[_JOURNAL].data:
                self._carry_out(cells[_JOURNAL])
                continue
            if fence and _number(cells[_lead(fence.source)]) != fence.number:
                raise lost(fence)
            there = [row for row in absent if cells[_path(row)].version]
            if there:
                self._drop(made)
                return there
            if self._written({path: cells[path].version for path in fixed}, writes, label):
                self._forget_parts(moves, rows)
                return ()
        self._drop(made)
        raise StoreError("others write to it faster than this turn can be written")

    def _written(self, checks: Mapping[str, int], moves: Sequence[Move], label: str) -> bool:
        if len(moves) <= self.most_moves and sum(map(_size, moves)) <= self.most_bytes:
            return self._change(checks, moves)
        turns = [move for move in moves if move.path.startswith("turns/")]
        rest = [[path, data.decode("latin-1") if data is not None else None] for path, data, _ in moves]
        name = self._put_down(json.dumps(rest).encode(), label)
        if not self._change(checks, [*turns, Move(_JOURNAL, name)]):
            self._drop(_parts(name))
            return False
        self._carry_out(self._cells([_JOURNAL])[0])
        return True

    def _carry_out(self, journal: Cell) -> None:
        """Do what the journal says; several may do so at once, and none after it is closed."""
        if not journal.data:
            return
        parts = self._cells(_parts(journal.data))
        if not all(part.version for part in parts):
            return  # Another was faster, and has cleared it away.
        moves = [
            Move(path, data.encode("latin-1") if data is not None else None)
            for path, data in json.loads(b"".join(part.data for part in parts))
            if not path.startswith("turns/")
        ]
        for some in self._portions(moves):
            if not self._change({_JOURNAL: journal.version}, some):
                return
        if self._change({_JOURNAL: journal.version}, [Move(_JOURNAL, b"")]):
            self._drop(_parts(journal.data))

    def _portions(self, moves: Sequence[Move]) -> Iterator[list[Move]]:
        """The moves in transactions that are small enough."""
        some: list[Move] = []
        size = 0
        for move in moves:
            if some and (len(some) == self.most_moves or size + _size(move) > self.most_bytes):
                yield some
                some, size = [], 0
            some.append(move)
            size += _size(move)
        if some:
            yield some

    # ── parts ───────────────────────────────────────────────────────────────────────────────

    def _move(self, path: str, row: Row, text: str | None, label: str, made: list[str]) -> Move:
        """A row's move; of a text too long for a cell the parts are put down now, and are noted in `made`."""
        if text is None:
            return Move(path, None)
        data = b"=" + json.dumps(row.key).encode() + b"\n" + text.encode(errors="surrogatepass")
        if len(data) > self.most_bytes // 2:
            name = self._put_down(data[1:], label)
            made += _parts(name)
            data = b"@" + name
        return Move(path, data)

    def _put_down(self, data: bytes, label: str) -> bytes:
        """Write it in parts that nobody reads yet; what they are called."""
        size = self.most_bytes // 2
        pieces = [data[at : at + size] for at in range(0, len(data), size)]
        name = f"{label}.{uuid4().hex}.{len(pieces)}".encode()
        for move in map(Move, _parts(name), pieces):
            self._change({}, [move])
        return name

    def _drop(self, paths: Sequence[str]) -> None:
        for some in self._portions([Move(path, None) for path in paths]):
            self._change({}, some)

    def _forget_parts(self, paths: Mapping[str, object], rows: Sequence[Move]) -> None:
        """The parts of texts that are no longer there."""
        for path in paths:
            self._drop(self._parted.pop(path, []))
        self._parted |= {path: _parts(data[1:]) for path, data, _ in rows if data and data[:1] == b"@"}

    def _sweep(self, source: str, number: int) -> None:
        """A new leader clears away parts of turns that earlier ones never finished."""
        mine = digest(source)
        old = [path for path, _ in self._under("parts") if _before(path, mine, number)]
        if not old:
            return
        named: set[str] = set()
        for table in _TABLES:
            for _, cell in self._under(f"rows/{mine}/{table}"):
                named.update(_parts(cell.data[1:]) if cell.data[:1] == b"@" else ())
        self._drop([path for path in old if path not in named])

    # ── reading ─────────────────────────────────────────────────────────────────────────────

    def _all(self, source: str, *tables: str) -> Mapping[str, Sequence[tuple[str, str]]]:
        found: Mapping[str, Sequence[tuple[str, str]]] | None = None
        for tried in range(_TRIES):
            before = self._cells([_JOURNAL, _turn(source)])
            if before[0].data:
                self._carry_out(before[0])
                continue
            found = self._tables(source, tables)
            after = self._cells([_JOURNAL, _turn(source)])
            steady = [cell.version for cell in before] == [cell.version for cell in after]
            if found is not None and (steady or tried >= _STEADY):
                return found
        raise StoreError("it changes faster than it can be read")

    def _tables(self, source: str, tables: Sequence[str]) -> Mapping[str, Sequence[tuple[str, str]]] | None:
        """None where the parts of a text went away meanwhile."""
        found: dict[str, Sequence[tuple[str, str]]] = {}
        for table in tables:
            texts = [
                self._text_of(path, cell) for path, cell in self._under(f"rows/{digest(source)}/{table}")
            ]
            if None in texts:
                return None
            found[table] = sorted(text for text in texts if text is not None)
        return found

    def _text_of(self, path: str, cell: Cell) -> tuple[str, str] | None:
        data = cell.data[1:]
        if cell.data[:1] == b"@":
            paths = _parts(data)
            parts = self._cells(paths)
            if not all(part.version for part in parts):
                return None
            self._parted[path] = paths
            data = b"".join(part.data for part in parts)
        key, _, text = data.partition(b"\n")
        return json.loads(key), text.decode(errors="surrogatepass")

    def _get(self, row: Row) -> str | None:
        for _ in range(_TRIES):
            journal, cell = self._cells([_JOURNAL, _path(row)])
            if journal.data:
                self._carry_out(journal)
                continue
            if not cell.version:
                return None
            found = self._text_of(_path(row), cell)
            if found is not None:
                return found[1]
        raise StoreError("it changes faster than it can be read")

    def _sources(self) -> Sequence[str]:
        return sorted(cell.data.decode() for _, cell in self._under("turns"))

    # ── leading ─────────────────────────────────────────────────────────────────────────────

    def _take(self, source: str, owner: str, lease: Span) -> int | None:
        lead, alive = self._cells([_lead(source), _alive(source)])
        number = _number(lead)
        checks = {_lead(source): lead.version, _alive(source): alive.version}
        token = Move(_alive(source), owner.encode(), mortal=True)
        if alive.version and alive.data.decode() != owner:
            return None
        if alive.version and json.loads(lead.data)["owner"] == owner:
            if self._mine(_alive(source), alive):
                return number
            # Ours, of a connection that was lost: it must not go when that one is given up by the server.
            if not self._change(checks, [Move(_alive(source), None)]):
                return None
            return number if self._change(checks | {_alive(source): 0}, [token]) else None
        said = json.dumps({"number": number + 1, "owner": owner, "source": source}).encode()
        turn = Move(_turn(source), source.encode())
        if not self._change(checks, [Move(_lead(source), said), turn, token]):
            return None
        self._sweep(source, number + 1)
        return number + 1

    def _end(self, fence: Fence) -> None:
        lead, alive = self._cells([_lead(fence.source), _alive(fence.source)])
        if _number(lead) == fence.number and alive.version and alive.data.decode() == fence.owner:
            checks = {_lead(fence.source): lead.version, _alive(fence.source): alive.version}
            knock = Move(_knock(fence.source), uuid4().bytes)
            self._change(checks, [Move(_alive(fence.source), None), knock])


def _path(row: Row) -> str:
    return f"rows/{digest(row.source)}/{row.table}/{digest(row.key)}"


def _turn(source: str) -> str:
    return f"turns/{digest(source)}"


def _lead(source: str) -> str:
    return f"leads/{digest(source)}"


def _alive(source: str) -> str:
    return f"signs/{digest(source)}.alive"


def _knock(source: str) -> str:
    return f"signs/{digest(source)}.knock"


def signs(source: str) -> tuple[str, str]:
    """The cells that change when something is asked of the source, or its leader goes."""
    return _alive(source), _knock(source)


def _number(lead: Cell) -> int:
    return int(json.loads(lead.data)["number"]) if lead.data else 0


def _parts(name: bytes) -> list[str]:
    """The paths of what was put down under a name."""
    text = name.decode()
    return [f"parts/{text}.{index}" for index in range(int(text.rsplit(".", 1)[1]))]


def _before(path: str, source: str, number: int) -> bool:
    """Whether a part was put down by an earlier leader of the source."""
    label, earlier, *_ = path.removeprefix("parts/").split(".")
    return label == source and int(earlier) < number


def _size(move: Move) -> int:
    return len(move.path) + len(move.data or b"") + 64
