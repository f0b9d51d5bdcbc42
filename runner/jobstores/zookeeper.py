"""Jobs, runs and alerts in ZooKeeper: a node for each row, one multi-operation for each turn that fits one.

The lead of a source is an ephemeral node: it goes when the session of the process that made it ends.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from kazoo.client import KazooClient
from kazoo.exceptions import (
    ConnectionLoss,
    KazooException,
    NodeExistsError,
    NoNodeError,
    RolledBackError,
    RuntimeInconsistency,
    SessionExpiredError,
)
from kazoo.handlers.threading import KazooTimeoutError

from runner.errors import StoreUnreachable
from runner.jobstores.base import LEASE
from runner.jobstores.cells import Cell, CelledJobStore, Move, signs
from runner.jobstores.notice import TICK, Ear
from runner.moment import SECOND

_PATIENCE = 5.0
"""Seconds an answer may take; kazoo itself would wait for a lost server for ever."""
_AT_ONCE = 500
"""Requests on their way at the same time."""


class ZooKeeperJobStore(CelledJobStore):
    """`hosts` and other arguments as kazoo's KazooClient takes them, or a `client` of one's own.

    All nodes are below `path`. A client that was given is started where it is not, and left running at the end unless
    `close_connection_on_exit`. The session's `timeout` (3 s) is how soon another scheduler takes over.
    """

    errors = (OSError, KazooException, KazooTimeoutError)
    unreachable = (OSError, ConnectionLoss, SessionExpiredError, KazooTimeoutError)
    # A server takes packets of 1 MB (jute.maxbuffer), all operations of a transaction together.
    most_moves = 2_000
    most_bytes = 700_000

    usual = {"timeout": LEASE / SECOND}
    _made: set[str]
    _there: dict[str, bool]

    def _connect(self) -> None:
        if self._given is None:
            self._client = KazooClient(**self._arguments)
        if not self._client.connected:
            try:
                self._client.start(timeout=_PATIENCE)
            except KazooTimeoutError:
                self._stop()
                hosts = ", ".join(f"{host}:{port}" for host, port in self._client.hosts)
                raise StoreUnreachable(f"the store cannot be opened: no answer from {hosts}") from None
        self._made, self._there = set(), {}
        self._make_directory(self._node(""))
        try:
            self._client.create_async(self._node("journal"), b"").get(timeout=_PATIENCE)
        except NodeExistsError:
            pass

    def _disconnect(self) -> None:
        if self._given is None or self._close_given:
            self._stop()

    def _stop(self) -> None:
        self._client.stop()
        if self._given is None:
            self._client.close()

    # ── cells ───────────────────────────────────────────────────────────────────────────────

    def _change(self, checks: Mapping[str, int], moves: Sequence[Move]) -> bool:
        for _ in range(3):
            self._look([move.path for move in moves if move.path not in self._there])
            failed, error = self._transaction(checks, moves)
            if error is None:
                self._there |= {move.path: move.data is not None for move in moves}
                return True
            if failed in checks:
                return False
            if not isinstance(error, NodeExistsError | NoNodeError):
                raise error
            # What was known of the nodes is out of date.
            self._made.clear()
            for move in moves:
                self._there.pop(move.path, None)
        return False

    def _transaction(
        self, checks: Mapping[str, int], moves: Sequence[Move]
    ) -> tuple[str, BaseException | None]:
        """Whose operation failed and how, or no error."""
        request = self._client.transaction()
        paths: list[str] = []
        for path, version in checks.items():
            if version:
                request.check(self._node(path), version - 1)
                paths.append(path)
        for path, data, mortal in moves:
            there = checks[path] > 0 if path in checks else self._there[path]
            node = self._node(path)
            if data is None and not there:
                continue
            if data is None:
                request.delete(node)
            elif there:
                request.set_data(node, data)
            else:
                self._make_directory(node.rsplit("/", 1)[0])
                request.create(node, data, ephemeral=mortal)
            paths.append(path)
        if paths:
            for path, answer in zip(paths, request.commit_async().get(timeout=_PATIENCE), strict=True):
                if isinstance(answer, Exception) and not isinstance(
                    answer, RolledBackError | RuntimeInconsistency
                ):
                    return path, answer
        return "", None

    def _look(self, paths: Sequence[str]) -> None:
        """Find out which nodes there are: a transaction must say whether it makes a node or writes to one."""
        if len(self._there) > 100_000:
            self._there.clear()
        found = self._each(self._client.exists_async, paths)
        self._there |= {path: stat is not None for path, stat in zip(paths, found, strict=True)}

    def _cells(self, paths: Sequence[str]) -> Sequence[Cell]:
        return [
            Cell(0, b"") if found is None else Cell(found[1].version + 1, found[0])
            for found in self._each(self._client.get_async, paths)
        ]

    def _under(self, directory: str) -> Sequence[tuple[str, Cell]]:
        try:
            names = self._client.get_children_async(self._node(directory)).get(timeout=_PATIENCE)
        except NoNodeError:
            return []
        paths = [f"{directory}/{name}" for name in names]
        return [each for each in zip(paths, self._cells(paths), strict=True) if each[1].version]

    def _mine(self, path: str, cell: Cell) -> bool:
        stat = self._client.exists_async(self._node(path)).get(timeout=_PATIENCE)
        return stat is not None and stat.ephemeralOwner == self._client.client_id[0]

    def _each(self, call: Any, paths: Sequence[str]) -> Iterator[Any]:
        """The answer for each path, None where there is no such node; many requests are under way at once."""
        for at in range(0, len(paths), _AT_ONCE):
            for answer in [call(self._node(path)) for path in paths[at : at + _AT_ONCE]]:
                try:
                    yield answer.get(timeout=_PATIENCE)
                except NoNodeError:
                    yield None

    def _node(self, path: str) -> str:
        return f"{self._root}/{path}" if path else self._root

    def _make_directory(self, node: str) -> None:
        if node not in self._made:
            self._client.ensure_path_async(node).get(timeout=_PATIENCE)
            self._made.add(node)

    # ── notice ──────────────────────────────────────────────────────────────────────────────

    def _notices(self, source: str, ear: Ear) -> Iterator[None]:
        rung = threading.Event()

        def ring(_event: object) -> None:
            rung.set()

        ear.interruptible(rung.set)
        while not ear.closed.is_set():
            rung.clear()
            for sign in signs(source):  # A watch rings once: set again before anybody looks.
                self._client.exists_async(self._node(sign), watch=ring).get(timeout=_PATIENCE)
            yield
            while not rung.wait(TICK) and not ear.closed.is_set():
                continue
