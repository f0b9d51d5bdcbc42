"""Telling systemd how it is (Type=notify): one datagram for each word, and nothing where nobody asked for it."""

from __future__ import annotations

import os
import socket
from collections.abc import MutableMapping

_OWN = ("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID")


class Systemd:
    """What the service manager told this process, taken out of its environment: commands must not speak for it."""

    def __init__(self, environ: MutableMapping[str, str]) -> None:
        told = {name: environ.pop(name, "") for name in _OWN}
        self._address = told["NOTIFY_SOCKET"]
        meant = told["WATCHDOG_PID"] in ("", str(os.getpid()))
        usec = told["WATCHDOG_USEC"]
        self.watchdog: float | None = (
            int(usec) / 1_000_000 if usec.isdigit() and int(usec) and meant else None
        )
        """Seconds within which it wants to hear from us."""

    def ready(self, status: str) -> None:
        self._tell("READY=1", f"STATUS={status}")

    def reloading(self, elapsed_usec: int) -> None:
        """`elapsed_usec` by CLOCK_MONOTONIC, as `Type=notify-reload` wants it."""
        self._tell("RELOADING=1", f"MONOTONIC_USEC={elapsed_usec}")

    def stopping(self, seconds: int) -> None:
        """It ends, and may take so long for it."""
        self._tell("STOPPING=1", f"EXTEND_TIMEOUT_USEC={seconds * 1_000_000}")

    def alive(self) -> None:
        if self.watchdog is not None:
            self._tell("WATCHDOG=1")

    def status(self, text: str) -> None:
        self._tell(f"STATUS={text}")

    def _tell(self, *words: str) -> None:
        if not self._address.startswith(("/", "@")):
            return
        address = "\0" + self._address[1:] if self._address.startswith("@") else self._address
        text = "\n".join(word.replace("\n", " ") for word in words)
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as door:
                door.settimeout(1)
                door.sendto(text.encode(), address)
        except OSError:
            return
