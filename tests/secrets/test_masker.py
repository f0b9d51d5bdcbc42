"""The masker: every form a value takes, wherever the edges of chunks fall."""

from __future__ import annotations

import base64
import html
import json
import re
import shlex
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runner.secrets import Masker

PASSWORD = "p@ss/w\"ör'd\\ & <more>"
KEY = (
    "-----BEGIN KEY-----\n"
    + "\n".join(f"{n}MIIEvQIBADANBgkqhkiG9w0BAQEFAASC" for n in range(8))
    + "\n-----END KEY-----"
)


@pytest.mark.parametrize(
    "shown",
    [
        PASSWORD,
        json.dumps({"password": PASSWORD}),
        json.dumps({"password": PASSWORD}, ensure_ascii=False),
        f"https://user:{quote(PASSWORD, safe='')}@host/",
        f"https://host/?password={quote_plus(PASSWORD)}",
        f"https://host/?password={re.sub('%..', lambda hex: hex[0].lower(), quote(PASSWORD, safe=''))}",
        html.escape(PASSWORD),
        repr(PASSWORD),
        repr(PASSWORD.encode()),
        "+ psql " + shlex.quote(PASSWORD),
        "+ psql '" + PASSWORD.replace("'", "'\\''") + "'",
        PASSWORD.encode().hex(),
        base64.b64encode(PASSWORD.encode()).decode(),
        base64.b64encode(b"user:" + PASSWORD.encode()).decode(),
        base64.b64encode(b"user1:" + PASSWORD.encode() + b"@host").decode(),
        base64.b64encode(b"user12:" + PASSWORD.encode() + b"\n").decode(),
        base64.urlsafe_b64encode(PASSWORD.encode() + b"\n").decode(),
    ],
)
def test_no_form_of_a_value_is_shown(shown: str) -> None:
    masked = Masker([PASSWORD]).text(f"before {shown} after")
    assert "***" in masked
    assert masked.startswith("before ")
    assert masked.endswith(" after")
    for form in (PASSWORD, "w%22", "p%40ss", "p@ss", 'w\\"', *_pieces(shown)):
        assert form not in masked


def _pieces(shown: str) -> list[str]:
    """The middle of an encoded value, which depends on nothing but the value."""
    return [shown[10:22]] if shown.isalnum() else []


def test_each_line_of_a_long_value_is_hidden_by_itself() -> None:
    masker = Masker([KEY])
    for line in KEY.splitlines():
        assert masker.text(f"> {line} <") == "> *** <"
    assert masker.text(KEY) == "***"


def test_base64_that_is_wrapped_at_76_columns_is_hidden() -> None:
    wrapped = base64.encodebytes(KEY.encode()).decode()
    assert set(Masker([KEY]).text(wrapped)) <= {"*", "\n"}


def test_short_values_and_short_lines_do_not_blank_everything() -> None:
    masker = Masker(["ab", "one\nto\nthree"])
    assert masker.text("ab one to three") == "ab one to ***"


def test_values_that_overlap_are_hidden_as_one() -> None:
    assert Masker(["abcdef", "defghi"]).text("xabcdefghix") == "x***x"
    assert Masker(["abcdef", "abc"]).text("xabcdefx abcx") == "x***x ***x"


def test_a_masker_says_nothing_about_its_values() -> None:
    assert repr(Masker([PASSWORD])) == "<Masker of 1 values>"
    assert Masker().text(PASSWORD) == PASSWORD
    assert Masker([PASSWORD]).text("\udcff is kept") == "\udcff is kept"


@pytest.mark.parametrize("size", [1, 2, 3, 5, 7, 64])
def test_chunk_edges_hide_nothing_from_the_masker(size: int) -> None:
    text = f"a {PASSWORD} b {base64.b64encode(PASSWORD.encode()).decode()} c {KEY} d".encode()
    stream = Masker([PASSWORD, KEY]).stream()
    shown = b"".join(stream.feed(text[at : at + size]) for at in range(0, len(text), size)) + stream.flush()
    assert shown == b"a *** b *** c *** d"


@given(
    st.lists(st.text("ab", min_size=3, max_size=8), min_size=1, max_size=3),
    st.lists(st.text("abc", max_size=12), max_size=12),
)
@settings(max_examples=300, deadline=None)
def test_a_stream_shows_what_the_whole_would(values: list[str], chunks: list[str]) -> None:
    masker = Masker(values)
    stream = masker.stream()
    shown = b"".join([*(stream.feed(chunk.encode()) for chunk in chunks), stream.flush()])
    assert shown == masker.mask("".join(chunks).encode())
    for value in values:
        assert value.encode() not in shown


def test_a_stream_keeps_back_only_what_may_begin_a_value() -> None:
    stream = Masker(["hunter22"]).stream()
    assert stream.feed(b"working ... ") == b"working ... "
    assert stream.feed(b"password: hunt") == b"password: "
    assert stream.feed(b"ing") == b"hunting"
    assert stream.feed(b" hunter2") == b" "
    assert stream.feed(b"2 done") == b"*** done"
    assert stream.flush() == b""


def test_a_value_added_later_is_hidden_in_streams_under_way() -> None:
    masker = Masker()
    stream = masker.stream()
    assert stream.feed(b"hunter22 ") == b"hunter22 "
    masker.add("hunter22")
    assert stream.feed(b"hunter22 ") == b"*** "


def test_endless_overlap_keeps_nothing_back_for_ever() -> None:
    stream = Masker(["aaaa"]).stream()
    shown = b"".join(stream.feed(b"aaa") for _ in range(1000))
    assert shown + stream.flush() == b"***"
