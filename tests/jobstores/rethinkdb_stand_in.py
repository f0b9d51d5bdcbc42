"""A stand-in for a RethinkDB server, which no package index has. Not RethinkDB: what the job store asks of it, no more.

It speaks the driver's real protocol (the V1_0 handshake with SCRAM-SHA-256, queries as JSON terms, cursors and
changefeeds) and keeps documents in memory, and in a log that it reads again when it is started again. Only one promise
of RethinkDB's is kept on purpose: a change of one document is all or nothing. `--die-after N` ends the process in the
middle of an insert of several, after N documents since it was started.

    python rethinkdb_stand_in.py --port PORT --log FILE [--password TEXT] [--die-after N]
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import hmac
import json
import os
import secrets
import socketserver
import struct
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

MAGIC = 0x34C2BDC3
START, CONTINUE, STOP, NOREPLY_WAIT, SERVER_INFO = 1, 2, 3, 4, 5
ATOM, SEQUENCE, PARTIAL, WAITED, CLIENT_ERROR, RUNTIME_ERROR = 1, 2, 3, 4, 16, 18
LOGIC, NON_EXISTENCE, OP_FAILED = 3_000_000, 3_100_000, 4_100_000
ATOM_FEED = 2
BATCH = 300
"""Documents in one answer: the driver asks for the rest."""
ROUNDS = 4096


class Refused(Exception):
    def __init__(self, kind: int, text: str) -> None:
        super().__init__(text)
        self.kind = kind


class Tables:
    """Databases, tables and documents; who listens to a document; the log."""

    def __init__(self, log: Path, die_after: int | None) -> None:
        self.lock = threading.RLock()
        self.databases: dict[str, dict[str, dict[str, Any]]] = {"rethinkdb": {}, "test": {}}
        self.indexes: dict[tuple[str, str], list[str]] = {}
        self.feeds: dict[tuple[str, str, str], list[threading.Condition]] = {}
        self.changes: dict[int, list[Any]] = {}
        self._left = die_after
        self._replay(log)
        self._log = log.open("a")

    def _replay(self, log: Path) -> None:
        for line in log.read_text().splitlines() if log.exists() else ():
            kind, *rest = json.loads(line)
            if kind == "db":
                self.databases.setdefault(rest[0], {})
            elif kind == "table":
                self.databases[rest[0]].setdefault(rest[1], {})
            elif kind == "index":
                self.indexes.setdefault((rest[0], rest[1]), []).append(rest[2])
            elif rest[3] is None:
                self.databases[rest[0]][rest[1]].pop(rest[2], None)
            else:
                self.databases[rest[0]][rest[1]][rest[2]] = rest[3]

    def note(self, *entry: Any) -> None:
        self._log.write(json.dumps(entry) + "\n")
        self._log.flush()

    def put(self, table: tuple[str, str], id: str, new: Any) -> None:
        """One document, all or nothing."""
        if self._left is not None:
            self._left -= 1
            if self._left < 0:
                os._exit(9)
        documents = self.databases[table[0]][table[1]]
        old = documents.get(id)
        self.note("doc", *table, id, new)
        if new is None:
            documents.pop(id, None)
        else:
            documents[id] = new
        for ready in self.feeds.get((*table, id), ()):
            with ready:
                self.changes[id_of(ready)].append({"old_val": old, "new_val": new})
                ready.notify_all()


def id_of(feed: object) -> int:
    return id(feed)


class Rows(list[Any]):
    """A sequence that the driver reads with a cursor."""

    def __init__(self, rows: list[Any], table: tuple[str, str] | None = None) -> None:
        super().__init__(rows)
        self.table = table


class Feed:
    def __init__(self, key: tuple[str, str, str]) -> None:
        self.key = key


class One:
    """A document that may be changed: what `get` gives."""

    def __init__(self, table: tuple[str, str], id: str, value: Any) -> None:
        self.table, self.id, self.value = table, id, value


class Literal:
    def __init__(self, value: Any) -> None:
        self.value = value


class Evaluation:
    """One query: the terms by their numbers in RethinkDB's ql2.proto."""

    def __init__(self, tables: Tables) -> None:
        self.tables = tables
        self.now = time.time()
        self.variables: dict[int, Any] = {}
        self.terms: dict[int, Callable[..., Any]] = {
            2: lambda o, *items: [self.value(item) for item in items],
            14: lambda o, name: ("db", self.value(name)),
            15: self.table,
            16: lambda o, table, id: self.one(self.value(table), self.value(id)),
            17: lambda o, *v: self.value(v[0]) == self.value(v[1]),
            19: lambda o, *v: self.value(v[0]) < self.value(v[1]),
            24: lambda o, *v: self.value(v[0]) + self.value(v[1]),
            25: lambda o, *v: self.value(v[0]) - self.value(v[1]),
            33: self.pluck,
            39: lambda o, rows, test: self.filtered(self.value(rows), test),
            42: lambda o, rows: Rows(list({json.dumps(row): row for row in self.value(rows)}.values())),
            53: self.update,
            54: self.delete,
            56: self.insert,
            57: self.db_create,
            59: lambda o: list(self.tables.databases),
            60: self.table_create,
            62: lambda o, place: list(self.tables.databases[self.value(place)[1]]),
            65: self.branch,
            66: lambda o, *v: any(self.value(each) for each in v),
            67: self.both,
            10: lambda o, number: self.variables[number],
            75: self.index_create,
            77: lambda o, table: list(self.tables.indexes.get(self.value(table), [])),
            78: self.get_all,
            92: self.default,
            102: lambda o, moment: self.value(moment),
            103: lambda o: self.now,
            137: lambda o, value: Literal(self.value(value)),
            140: lambda o, table, *names: [{"index": name, "ready": True} for name in map(self.value, names)],
            152: self.changed,
            170: lambda o, whole, name: self.field(self.value(whole), self.value(name)),
        }

    def value(self, term: Any) -> Any:
        if isinstance(term, dict):
            return {key: self.value(item) for key, item in term.items()}
        if not isinstance(term, list):
            return term
        number, arguments = term[0], term[1] if len(term) > 1 else []
        options: dict[str, Any] = dict(*term[2:])
        if number not in self.terms:
            raise Refused(LOGIC, f"the stand-in does not know the term {number}")
        return self.terms[number](options, *arguments)

    def plain(self, value: Any) -> Any:
        return value.value if isinstance(value, One) else value

    def call(self, function: Any, *arguments: Any) -> Any:
        """`function` is the term FUNC (69) of the numbers of its arguments and a body."""
        _, (numbers, body) = function[0], function[1]
        self.variables |= dict(zip(numbers[1], arguments, strict=True))
        return self.plain(self.value(body))

    def field(self, whole: Any, name: Any) -> Any:
        whole = self.plain(whole)
        if whole is None or name not in whole:
            raise Refused(NON_EXISTENCE, f"No attribute `{name}` in object")
        return whole[name]

    def default(self, _: Any, wanted: Any, otherwise: Any) -> Any:
        try:
            found = self.value(wanted)
        except Refused as error:
            if error.kind != NON_EXISTENCE:
                raise
            found = None
        return self.value(otherwise) if found is None else found

    def both(self, _: Any, *terms: Any) -> Any:
        found: Any = True
        for term in terms:
            found = self.value(term)
            if not found:
                break
        return found

    def branch(self, _: Any, test: Any, yes: Any, no: Any) -> Any:
        return self.value(yes if self.value(test) else no)

    # ── places ──────────────────────────────────────────────────────────────────────────────

    def table(self, options: Any, *arguments: Any) -> tuple[str, str]:
        names = [self.value(each) for each in arguments]
        database = names[0][1] if len(names) == 2 else "test"
        if names[-1] not in self.tables.databases.get(database, {}):
            raise Refused(OP_FAILED, f"Table `{database}.{names[-1]}` does not exist.")
        return database, names[-1]

    def db_create(self, _: Any, name: Any) -> Any:
        if name in self.tables.databases:
            raise Refused(OP_FAILED, f"Database `{name}` already exists.")
        self.tables.databases[name] = {}
        self.tables.note("db", name)
        return {"dbs_created": 1}

    def table_create(self, _: Any, place: Any, name: Any) -> Any:
        database = self.value(place)[1]
        if name in self.tables.databases[database]:
            raise Refused(OP_FAILED, f"Table `{database}.{name}` already exists.")
        self.tables.databases[database][name] = {}
        self.tables.note("table", database, name)
        return {"tables_created": 1}

    def index_create(self, _: Any, table: Any, name: Any) -> Any:
        known = self.tables.indexes.setdefault(self.value(table), [])
        if name in known:
            raise Refused(OP_FAILED, f"Index `{name}` already exists.")
        known.append(name)
        self.tables.note("index", *self.value(table), name)
        return {"created": 1}

    # ── reading ─────────────────────────────────────────────────────────────────────────────

    def documents(self, table: tuple[str, str]) -> dict[str, Any]:
        return self.tables.databases[table[0]][table[1]]

    def one(self, table: tuple[str, str], id: str) -> One:
        return One(table, id, self.documents(table).get(id))

    def rows(self, value: Any) -> Rows:
        return Rows(list(self.documents(value).values()), value) if isinstance(value, tuple) else value

    def get_all(self, options: Any, table: Any, *keys: Any) -> Rows:
        place, wanted = self.value(table), [self.value(key) for key in keys]
        index = options.get("index", "id")
        if index == "id":
            documents = self.documents(place)
            return Rows([documents[key] for key in wanted if key in documents], place)
        if index not in self.tables.indexes.get(place, []):
            raise Refused(OP_FAILED, f"Index `{index}` was not found on table `{'.'.join(place)}`.")
        return Rows([row for row in self.documents(place).values() if row.get(index) in wanted], place)

    def pluck(self, _: Any, rows: Any, *names: Any) -> Rows:
        wanted = set(names)
        return Rows([{k: v for k, v in row.items() if k in wanted} for row in self.rows(self.value(rows))])

    def filtered(self, rows: Any, test: Any) -> Rows:
        return Rows([row for row in self.rows(rows) if self.call(test, row)], getattr(rows, "table", rows))

    def changed(self, _: Any, term: Any) -> Feed:
        found = self.value(term)
        if not isinstance(found, One):
            raise Refused(LOGIC, "the stand-in has changefeeds of one document only")
        return Feed((*found.table, found.id))

    # ── writing ─────────────────────────────────────────────────────────────────────────────

    def insert(self, options: Any, table: Any, given: Any) -> dict[str, int]:
        place, found = self.value(table), self.value(given)
        counts = dict.fromkeys(("inserted", "replaced", "unchanged", "errors", "deleted", "skipped"), 0)
        conflict = options.get("conflict", "error")
        for new in found if isinstance(found, list) else [found]:
            old = self.documents(place).get(new["id"])
            if old is None:
                self.tables.put(place, new["id"], new)
                counts["inserted"] += 1
                continue
            if conflict == "error":
                counts["errors"] += 1
                continue
            if conflict == "update":
                made = {**old, **new}
            else:
                made = new if conflict == "replace" else self.call(conflict, new["id"], old, new)
            self._replace(place, old, made, counts)
        return counts

    def update(self, _: Any, target: Any, change: Any) -> dict[str, int]:
        one = self.value(target)
        counts = dict.fromkeys(("inserted", "replaced", "unchanged", "errors", "deleted", "skipped"), 0)
        if one.value is None:
            counts["skipped"] += 1
            return counts
        is_function = isinstance(change, list) and change[0] == 69
        given = self.call(change, one.value) if is_function else self.value(change)
        self._replace(one.table, one.value, merged(one.value, given), counts)
        return counts

    def _replace(self, place: tuple[str, str], old: Any, new: Any, counts: dict[str, int]) -> None:
        if new == old:
            counts["unchanged"] += 1
            return
        self.tables.put(place, old["id"], new)
        counts["replaced"] += 1

    def delete(self, _: Any, target: Any) -> dict[str, int]:
        rows = self.rows(self.value(target))
        assert rows.table is not None
        for row in rows:
            self.tables.put(rows.table, row["id"], None)
        return {"deleted": len(rows), "errors": 0}


def merged(old: Any, new: Any) -> Any:
    """Objects are merged into each other, everything else takes the place of what was."""
    if isinstance(new, Literal):
        return new.value
    if not (isinstance(old, dict) and isinstance(new, dict)):
        return new
    return {**old, **{key: merged(old.get(key), item) for key, item in new.items()}}


class Connection(socketserver.StreamRequestHandler):
    """One driver: the handshake, then queries; changefeeds are answered from threads of their own."""

    server: Server

    def handle(self) -> None:
        self.cursors: dict[int, Iterator[list[Any]]] = {}
        self.stopped: set[int] = set()
        self.sending = threading.Lock()
        try:
            if self.handshake():
                while True:
                    self.query(*self.message())
        except (EOFError, ConnectionError):
            return

    def exactly(self, count: int) -> bytes:
        found = self.rfile.read(count)
        if len(found) < count:
            raise EOFError
        return found

    def message(self) -> tuple[int, Any]:
        token, length = struct.unpack("<QL", self.exactly(12))
        return token, json.loads(self.exactly(length))

    # ── the handshake ───────────────────────────────────────────────────────────────────────

    def handshake(self) -> bool:
        if struct.unpack("<L", self.exactly(4))[0] != MAGIC:
            return False
        self.say(
            {"success": True, "min_protocol_version": 0, "max_protocol_version": 0, "server_version": "0"}
        )
        first = self.said()["authentication"].removeprefix("n,,")
        theirs = dict(part.split("=", 1) for part in first.split(","))
        nonce, salt = theirs["r"] + secrets.token_hex(9), secrets.token_bytes(16)
        answer = f"r={nonce},s={base64.b64encode(salt).decode()},i={ROUNDS}"
        self.say({"success": True, "authentication": answer})
        final = self.said()["authentication"]
        unproven, proof = final.rsplit(",p=", 1)
        salted = hashlib.pbkdf2_hmac("sha256", self.server.password.encode(), salt, ROUNDS)
        client_key = hmac.digest(salted, b"Client Key", "sha256")
        words = f"{first},{answer},{unproven}".encode()
        signature = hmac.digest(hashlib.sha256(client_key).digest(), words, "sha256")
        right = bytes(a ^ b for a, b in zip(client_key, signature, strict=True))
        if not hmac.compare_digest(right, base64.b64decode(proof)) or theirs["n"] != "admin":
            self.say({"success": False, "error": "Wrong password", "error_code": 12})
            return False
        server_key = hmac.digest(salted, b"Server Key", "sha256")
        signed = base64.b64encode(hmac.digest(server_key, words, "sha256")).decode()
        self.say({"success": True, "authentication": f"v={signed}"})
        return True

    def said(self) -> Any:
        text = b""
        while (byte := self.exactly(1)) != b"\0":
            text += byte
        return json.loads(text)

    def say(self, words: Any) -> None:
        self.wfile.write(json.dumps(words).encode() + b"\0")

    # ── queries ─────────────────────────────────────────────────────────────────────────────

    def query(self, token: int, query: Any) -> None:
        kind = query[0]
        if kind == START:
            self.start(token, query[1])
        elif kind == CONTINUE:
            self.go_on(token)
        elif kind == STOP:
            self.stopped.add(token)
            self.cursors.pop(token, None)
            self.answer(token, SEQUENCE, [])
        elif kind == NOREPLY_WAIT:
            self.answer(token, WAITED, [])
        else:
            self.answer(token, CLIENT_ERROR, [f"the stand-in does not know the query {kind}"])

    def start(self, token: int, term: Any) -> None:
        tables = self.server.tables
        try:
            with tables.lock:
                evaluation = Evaluation(tables)
                found = evaluation.plain(evaluation.value(term))
                if isinstance(found, tuple):  # A whole table.
                    found = Rows(list(tables.databases[found[0]][found[1]].values()), found)
        except Refused as error:
            self.answer(token, RUNTIME_ERROR, [str(error)], e=error.kind)
            return
        if isinstance(found, Feed):
            self.cursors[token] = self.feed(found)
            next(self.cursors[token])
            self.answer(token, PARTIAL, [], n=[ATOM_FEED])
        elif isinstance(found, Rows):
            self.cursors[token] = iter([found[at : at + BATCH] for at in range(0, len(found), BATCH)])
            self.go_on(token)
        else:
            self.answer(token, ATOM, [found])

    def feed(self, feed: Feed) -> Iterator[list[Any]]:
        tables, ready = self.server.tables, threading.Condition()
        with tables.lock:
            tables.feeds.setdefault(feed.key, []).append(ready)
            news = tables.changes[id_of(ready)] = []
        yield []
        while True:
            with ready:
                while not news:
                    ready.wait()
                some, news[:] = list(news), []
            yield some

    def go_on(self, token: int) -> None:
        cursor = self.cursors[token]
        if hasattr(cursor, "send"):  # A feed: it may be long until there is something.
            threading.Thread(target=self.tell, args=(token, cursor), daemon=True).start()
            return
        some = next(cursor, [])
        self.answer(token, PARTIAL if len(some) == BATCH else SEQUENCE, some)

    def tell(self, token: int, cursor: Iterator[list[Any]]) -> None:
        some = next(cursor)
        if token not in self.stopped:
            with_suppressed(lambda: self.answer(token, PARTIAL, some, n=[ATOM_FEED]))

    def answer(self, token: int, kind: int, result: list[Any], **rest: Any) -> None:
        text = json.dumps({"t": kind, "r": result, "n": [], **rest}).encode()
        with self.sending:
            self.wfile.write(struct.pack("<QL", token, len(text)) + text)
            self.wfile.flush()


def with_suppressed(act: Callable[[], None]) -> None:
    try:
        act()
    except (OSError, ValueError):
        return  # The driver is gone.


class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True

    def __init__(self, port: int, tables: Tables, password: str) -> None:
        super().__init__(("127.0.0.1", port), Connection)
        self.tables = tables
        self.password = password


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--log", type=Path, required=True)
    parser.add_argument("--password", default="")
    parser.add_argument("--die-after", type=int)
    given = parser.parse_args()
    Server(given.port, Tables(given.log, given.die_after), given.password).serve_forever()
