"""A loopback proxy in front of a server, whose wire can be cut."""

from __future__ import annotations

import contextlib
import selectors
import socket
import threading


class Proxy:
    """Passes bytes between `port` and the server's, until it is cut: then connections end and none is accepted.

    Frozen, it takes connections and bytes, and nothing comes out on the other side, not even an end.
    """

    def __init__(self, server: int) -> None:
        self._server = server
        self._listener = self._listen(0)
        self.port = int(self._listener.getsockname()[1])
        self._pairs: dict[socket.socket, socket.socket] = {}
        self._cut = self._frozen = False
        self._ending = False
        self._thread = threading.Thread(target=self._work, daemon=True)
        self._thread.start()

    def cut(self) -> None:
        self._cut = True

    def freeze(self) -> None:
        self._frozen = True

    def mend(self) -> None:
        self._cut = self._frozen = False

    def close(self) -> None:
        self._ending = True
        self._thread.join(5)

    def _listen(self, port: int) -> socket.socket:
        listener = socket.create_server(("127.0.0.1", port))
        listener.setblocking(False)
        return listener

    def _work(self) -> None:
        with selectors.DefaultSelector() as selector:
            selector.register(self._listener, selectors.EVENT_READ)
            while not self._ending:
                if self._cut and self._pairs:
                    for each in list(self._pairs):
                        self._drop(selector, each)
                for key, _ in selector.select(0.05):
                    if key.fileobj is self._listener:
                        self._accept(selector)
                    elif self._frozen:
                        threading.Event().wait(0.01)
                    elif isinstance(key.fileobj, socket.socket):
                        self._pass(selector, key.fileobj)
            for each in list(self._pairs):
                self._drop(selector, each)
        self._listener.close()

    def _accept(self, selector: selectors.BaseSelector) -> None:
        with contextlib.suppress(OSError):
            here, _ = self._listener.accept()
            if self._cut:
                here.close()
                return
            there = socket.create_connection(("127.0.0.1", self._server), 2)
            for one, other in ((here, there), (there, here)):
                one.setblocking(True)
                self._pairs[one] = other
                selector.register(one, selectors.EVENT_READ)

    def _pass(self, selector: selectors.BaseSelector, source: socket.socket) -> None:
        other = self._pairs.get(source)
        if other is None:
            return
        try:
            data = source.recv(1 << 16)
            if data:
                other.sendall(data)
                return
        except OSError:
            pass
        self._drop(selector, source)

    def _drop(self, selector: selectors.BaseSelector, one: socket.socket) -> None:
        other = self._pairs.pop(one, None)
        for each in (one, other):
            if each is None:
                continue
            self._pairs.pop(each, None)
            with contextlib.suppress(KeyError, ValueError):
                selector.unregister(each)
            each.close()
