"""The forms in which a value shows up in text: as it is, quoted, encoded, line by line."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from urllib.parse import quote, quote_plus

LEAST_VALUE = 3
"""A shorter value is not hidden: it stands in every other word."""
LEAST_PART = 4
"""A shorter line, or a shorter encoded form, is not hidden."""
_LEAST_INNER = 6
_WRAPS = (76, 64)
_HTML = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#x27;"})
"""As `html.escape` writes it; that module brings along a table of all entities, which stays in memory."""


def forms(value: str) -> frozenset[bytes]:
    """Everything that gives the value away, as bytes."""
    found: set[bytes] = set()
    if len(value) < LEAST_VALUE:
        return frozenset()
    for text in (value, value.strip()):
        if len(text) >= LEAST_VALUE:
            found.add(text.encode())
            found.update(form for form in _written(text) if len(form) >= LEAST_PART)
            found.update(_encoded(text.encode()))
    lines = value.splitlines()
    if len(lines) > 1:
        for line in lines:
            if len(line.strip()) >= LEAST_PART:
                found.add(line.strip().encode())
                found.update(_written(line.strip()))
    return frozenset(found)


def _written(text: str) -> Iterator[bytes]:
    """The text as other languages write it."""
    for ascii_only in (True, False):
        inside = json.dumps(text, ensure_ascii=ascii_only)[1:-1]
        yield inside.encode()
        yield inside.replace("/", "\\/").encode()
    for quoted in (quote(text, safe=""), quote(text), quote_plus(text)):
        yield quoted.encode()
        yield _lower_hex(quoted).encode()
    yield repr(text)[1:-1].encode()
    yield repr(text.encode())[2:-1].encode()
    yield text.translate(_HTML).encode()
    yield text.replace("'", "'\\''").encode()
    yield text.replace("'", "'\"'\"'").encode()


def _lower_hex(quoted: str) -> str:
    """Percent signs with lower-case digits, as some write them."""
    head, *rest = quoted.split("%")
    return head + "".join("%" + part[:2].lower() + part[2:] for part in rest)


def _encoded(value: bytes) -> Iterator[bytes]:
    """Base64 of the value, also where it stands in the middle of something longer or is wrapped; and hex."""
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        whole = encode(value)
        yield whole
        yield whole.rstrip(b"=")
        yield encode(value + b"\n")
        for shift in range(3):
            inner = _inner(encode(b"\0" * shift + value), shift, len(value))
            if len(inner) >= _LEAST_INNER:
                yield inner
        for width in _WRAPS:
            for source in (value, value + b"\n"):
                text = encode(source)
                if len(text) > width:
                    pieces = (text[at : at + width] for at in range(0, len(text), width))
                    yield from (piece for piece in pieces if len(piece) >= _LEAST_INNER)
    if len(value) >= LEAST_PART:
        yield value.hex().encode()
        yield value.hex().upper().encode()


def _inner(encoded: bytes, shift: int, length: int) -> bytes:
    """The characters of base64 that depend on the value alone, not on what stands before or behind it."""
    first = (0, 2, 3)[shift]
    bits = (shift + length) * 8
    return encoded[first : bits // 6]
