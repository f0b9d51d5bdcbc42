"""The one masker: it stands before the live log, the stored log, alerts, history and the texts of errors."""

from __future__ import annotations

import threading
from collections.abc import Iterable

from runner.secrets.forms import forms

MASK = "***"

_MASK = MASK.encode()
_Span = tuple[int, int]


class Masker:
    """Hides values in every form they are known to take. Values may be added at any time, from any thread."""

    def __init__(self, values: Iterable[str] = ()) -> None:
        self._lock = threading.Lock()
        self._values: set[str] = set()
        self._forms: tuple[bytes, ...] = ()
        self._signs: tuple[bytes, ...] = ()
        self.update(values)

    def __repr__(self) -> str:
        return f"<Masker of {len(self._values)} values>"

    def __bool__(self) -> bool:
        return bool(self._forms)

    def add(self, value: str) -> None:
        """Hide this value from now on, also in streams that are under way."""
        self.update((value,))

    def update(self, values: Iterable[str]) -> None:
        """Hide these values from now on."""
        with self._lock:
            new = {value for value in values if value} - self._values
            if not new:
                return
            self._values |= new
            found = set(self._forms)
            for value in new:
                found |= forms(value)
            self._forms = tuple(sorted(found, key=len, reverse=True))
            self._signs = _signs(self._forms)

    def text(self, text: str) -> str:
        """The text with every known value replaced by `***`."""
        if not self._forms or not text:
            return text
        data = text.encode("utf-8", "surrogatepass")
        masked = self.mask(data)
        return text if masked is data else masked.decode("utf-8", "surrogatepass")

    def mask(self, data: bytes) -> bytes:
        """The bytes with every known value replaced; the same object where there is none."""
        spans = self.spans(data)
        if not spans:
            return data
        pieces: list[bytes] = []
        at = 0
        for start, end in spans:
            pieces += (data[at:start], _MASK)
            at = end
        return b"".join([*pieces, data[at:]])

    def stream(self) -> MaskingStream:
        """A masker for bytes that arrive in chunks."""
        return MaskingStream(self)

    def spans(self, data: bytes) -> list[_Span]:
        """Where values stand, in order, overlapping ones as one."""
        if not any(sign in data for sign in self._signs):
            return []
        found: list[_Span] = []
        for form in self._forms:
            at = data.find(form)
            while at >= 0:
                found.append((at, at + len(form)))
                at = data.find(form, at + 1)
        return _merged(found)

    def held(self, data: bytes) -> int:
        """Where the end of the data begins that may turn out to be the beginning of a value."""
        earliest = len(data)
        for form in self._forms:
            at = data.find(form[:1], max(0, len(data) - len(form) + 1), earliest)
            while at >= 0:
                if form.startswith(data[at:]):
                    earliest = at
                    break
                at = data.find(form[:1], at + 1, earliest)
        return earliest


class MaskingStream:
    """Hides values in a stream of chunks, wherever its edges fall. Keeps back only what may begin a value."""

    __slots__ = ("_covered", "_masker", "_waiting")

    def __init__(self, masker: Masker) -> None:
        self._masker = masker
        self._waiting = b""
        self._covered = 0
        """How much of what waits belongs to a value that was already replaced."""

    def feed(self, chunk: bytes) -> bytes:
        """What can be shown after this chunk."""
        if not self._waiting and not self._masker:
            return chunk
        data = self._waiting + chunk
        return self._shown(data, self._masker.held(data))

    def flush(self) -> bytes:
        """The rest, at the end of the stream."""
        data, self._waiting = self._waiting, b""
        return self._shown(data, len(data))

    def _shown(self, data: bytes, until: int) -> bytes:
        spans = self._masker.spans(data)
        if self._covered:
            spans = _merged([(0, self._covered), *spans])
        elif not spans:
            self._waiting = data[until:]
            return data[:until]
        pieces: list[bytes] = []
        at, replaced = 0, self._covered > 0
        for start, end in spans:
            known = replaced and start == 0
            if start >= until and not known:
                break
            pieces.append(data[at:start])
            if not known:
                pieces.append(_MASK)
            at = end
        pieces.append(data[at:until])
        self._covered = max(0, at - until)
        self._waiting = data[until:]
        return b"".join(pieces)


def _signs(found: tuple[bytes, ...]) -> tuple[bytes, ...]:
    """The shortest forms: where none of them stands, none of the longer ones that contain them does."""
    signs: list[bytes] = []
    for form in sorted(found, key=len):
        if not any(sign in form for sign in signs):
            signs.append(form)
    return tuple(signs)


def _merged(spans: list[_Span]) -> list[_Span]:
    merged: list[_Span] = []
    for start, end in sorted(spans):
        if merged and start < merged[-1][1]:
            if end > merged[-1][1]:
                merged[-1] = (merged[-1][0], end)
        else:
            merged.append((start, end))
    return merged
