"""A TCP proxy in front of a server that cuts a connection after so many bytes have gone to the server."""

from __future__ import annotations

import contextlib
import select
import socket
import threading


class Proxy:
    """Listens on `port`; after `cut_after(count)` the connection that sends byte `count` is ended with it."""

    def __init__(self, host: str, port: int) -> None:
        self._target = (host, port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.sent = 0
        self.cut = threading.Event()
        self._left: int | None = None
        self._lock = threading.Lock()
        self._open: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def cut_after(self, count: int | None) -> None:
        with self._lock:
            self.sent = 0
            self._left = count
            self.cut.clear()

    def close(self) -> None:
        self._listener.close()
        for each in self._open:
            each.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                threading.Thread(target=self._forward, args=(client,), daemon=True).start()

    def _forward(self, client: socket.socket) -> None:
        with (
            contextlib.suppress(OSError, ValueError),
            client,
            socket.create_connection(self._target) as server,
        ):
            self._open += (client, server)
            while True:
                ready, _, _ = select.select([client, server], [], [])
                for source in ready:
                    data = source.recv(65536)
                    if not data:
                        return
                    if source is server:
                        client.sendall(data)
                        continue
                    allowed = self._allowed(len(data))
                    server.sendall(data[:allowed])
                    if allowed < len(data):
                        self.cut.set()
                        return

    def _allowed(self, count: int) -> int:
        with self._lock:
            self.sent += count
            if self._left is None:
                return count
            allowed = min(count, self._left)
            # Only once: the client may come back on another connection.
            self._left = self._left - allowed if allowed == count else None
            return allowed
