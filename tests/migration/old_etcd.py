"""APScheduler's own etcd store on a real etcd. Its client, etcd3, is no longer maintained and does not load beside a
recent protobuf; the few calls that the store makes of it are made here through etcd3gw."""

from __future__ import annotations

import sys
import types
from typing import Any

from etcd3gw.client import Etcd3Client


class Client:
    def __init__(self, host: str, port: int) -> None:
        self._etcd = Etcd3Client(host=host, port=port)

    def put_if_not_exists(self, key: str, value: bytes) -> bool:
        return bool(self._etcd.create(key, value))

    def get_prefix(self, prefix: str) -> list[tuple[bytes, Any]]:
        found = self._etcd.get_prefix(prefix)
        return [(value, types.SimpleNamespace(key=about["key"])) for value, about in found]

    get_all = get_prefix

    def delete_prefix(self, prefix: str) -> None:
        self._etcd.delete_prefix(prefix)

    def close(self) -> None:
        self._etcd.session.close()


def store(host: str, port: int) -> Any:
    if "etcd3" not in sys.modules:
        stand_in = types.ModuleType("etcd3")
        vars(stand_in)["Etcd3Client"] = Client
        sys.modules["etcd3"] = stand_in
    from apscheduler.jobstores.etcd import EtcdJobStore

    return EtcdJobStore(client=Client(host, port))
