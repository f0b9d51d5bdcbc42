"""Jobs, runs and alerts in etcd (3.4 and later), through its JSON gateway: a key for each row.

The lead of a source is a key with an etcd lease of 3 s: it goes when nobody renews it.
"""

from __future__ import annotations

import base64
import contextlib
import os
import socket
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import requests
from etcd3gw.client import Etcd3Client
from etcd3gw.exceptions import ConnectionFailedError, ConnectionTimeoutError, Etcd3Exception

from runner.jobstores.base import LEASE
from runner.jobstores.cells import Cell, CelledJobStore, Move, signs
from runner.jobstores.notice import Ear
from runner.moment import SECOND

_PAGE = 500
"""Rows in one answer."""


class EtcdJobStore(CelledJobStore):
    """`host`, `port` and other arguments as etcd3gw's Etcd3Client takes them, or a `client` of that class.

    All keys begin with `path`.
    """

    errors = (OSError, requests.RequestException, Etcd3Exception)
    unreachable = (
        OSError,
        requests.ConnectionError,
        requests.Timeout,
        ConnectionFailedError,
        ConnectionTimeoutError,
    )
    # etcd's own limits are 128 operations (--max-txn-ops) and 1.5 MB (--max-request-bytes).
    most_moves = 120
    most_bytes = 1_000_000

    usual = {"timeout": 5}
    _leases: dict[str, Any]

    def _fits(self, client: Any) -> None:
        if not isinstance(client, Etcd3Client):
            raise TypeError(
                f"an etcd client is an etcd3gw.client.Etcd3Client, not a {type(client).__module__} one"
            )

    def _connect(self) -> None:
        self._leases = {}
        if self._given is None:
            self._client = Etcd3Client(**self._arguments)
        self._client.status()

    def _disconnect(self) -> None:
        if self._given is None or self._close_given:
            self._client.session.close()

    # ── cells ───────────────────────────────────────────────────────────────────────────────

    def _change(self, checks: Mapping[str, int], moves: Sequence[Move]) -> bool:
        compare = [
            {"key": self._key(path), "result": "EQUAL", "target": "MOD", "mod_revision": version}
            for path, version in checks.items()
        ]
        answer = self._client.transaction(
            {"compare": compare, "success": [self._operation(move) for move in moves], "failure": []}
        )
        return bool(answer.get("succeeded", False))

    def _operation(self, move: Move) -> dict[str, Any]:
        key = self._key(move.path)
        if move.data is None:
            return {"request_delete_range": {"key": key}}
        put: dict[str, Any] = {"key": key, "value": base64.b64encode(move.data).decode()}
        if move.mortal:
            lease = self._leases[move.path] = self._client.lease(ttl=LEASE // SECOND)
            put["lease"] = lease.id
        return {"request_put": put}

    def _cells(self, paths: Sequence[str]) -> Sequence[Cell]:
        cells: list[Cell] = []
        for at in range(0, len(paths), self.most_moves):
            asked = [{"request_range": {"key": self._key(path)}} for path in paths[at : at + self.most_moves]]
            answer = self._client.transaction({"compare": [], "success": asked, "failure": []})
            for each in answer["responses"]:
                found = each["response_range"].get("kvs")
                cells.append(_cell(found[0]) if found else Cell(0, b""))
        return cells

    def _under(self, directory: str) -> Sequence[tuple[str, Cell]]:
        found: list[tuple[str, Cell]] = []
        start, revision = f"{self._root}/{directory}/".encode(), None
        end = f"{self._root}/{directory}0".encode()  # "0" follows "/".
        while True:
            asked = {"key": _coded(start), "range_end": _coded(end), "limit": _PAGE, "sort_order": "ASCEND"}
            if revision is not None:
                asked["revision"] = revision
            answer = self._client.post(self._client.get_url("/kv/range"), json=asked)
            revision = answer["header"]["revision"]
            for each in answer.get("kvs", []):
                key = base64.b64decode(each["key"])
                found.append((key.decode().removeprefix(f"{self._root}/"), _cell(each)))
                start = key + b"\0"
            if not answer.get("more"):
                return found

    def _mine(self, path: str, cell: Cell) -> bool:
        lease = self._leases.get(path)
        return lease is not None and int(lease.refresh()) > 0

    def _key(self, path: str) -> str:
        return _coded(f"{self._root}/{path}".encode())

    # ── notice ──────────────────────────────────────────────────────────────────────────────

    def _notices(self, source: str, ear: Ear) -> Iterator[None]:
        first, last = (f"{self._root}/{sign}".encode() for sign in signs(source))
        watch = {"create_request": {"key": _coded(first), "range_end": _coded(last + b"\0")}}
        url = self._client.get_url("/watch")
        with self._client.session.post(url, json=watch, stream=True, timeout=(5, None)) as answer:
            ear.interruptible(lambda: _cut(answer))
            for line in answer.iter_lines(chunk_size=None):
                if line.strip():
                    yield

    def _said(self, error: BaseException) -> str:
        detail = getattr(error, "detail_text", None)
        return str(detail).strip().splitlines()[0] if detail else super()._said(error)


def _coded(key: bytes) -> str:
    return base64.b64encode(key).decode()


def _cell(found: Mapping[str, Any]) -> Cell:
    return Cell(int(found["mod_revision"]), base64.b64decode(found.get("value", "")))


def _cut(answer: requests.Response) -> None:
    """End a stream that somebody else is reading."""
    with (
        contextlib.suppress(OSError, ValueError, AttributeError),
        socket.socket(fileno=os.dup(answer.raw.fileno())) as copy,
    ):
        copy.shutdown(socket.SHUT_RDWR)
