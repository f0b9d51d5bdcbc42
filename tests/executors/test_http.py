"""The `http` step against a real server: answers, refusals, silence, cancellation, and no secret in what is kept."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from runner.core.run import Status
from runner.errors import ExecutorError, ExpressionError
from runner.executors.http import MOST_BODY, perform, rendered
from runner.moment import MILLISECOND, SECOND
from runner.secrets import Masker
from runner.spec import Http


def never() -> threading.Event:
    return threading.Event()


def test_json_goes_out_and_comes_back(httpserver: HTTPServer) -> None:
    heard: list[Request] = []

    def handler(request: Request) -> Response:
        heard.append(request)
        return Response(json.dumps({"id": 7}), 201, {"X-Trace": "abc"}, content_type="application/json")

    httpserver.expect_request("/loads", method="POST").respond_with_handler(handler)
    work = Http(
        "post", httpserver.url_for("/loads"), {"Authorization": "Bearer x"}, json={"day": "2026-03-28"}
    )
    outcome = perform(work, cancel=never())
    assert outcome.status is Status.SUCCEEDED
    assert outcome.outputs["status"] == 201
    assert outcome.outputs["json"] == {"id": 7}
    assert outcome.outputs["body"] == '{"id": 7}'
    assert outcome.outputs["headers"]["x-trace"] == "abc"
    assert heard[0].get_json() == {"day": "2026-03-28"}
    assert heard[0].headers["Authorization"] == "Bearer x"
    assert heard[0].headers["Content-Type"] == "application/json"
    assert heard[0].headers["User-Agent"].startswith("runner/")


def test_a_body_is_sent_as_it_is(httpserver: HTTPServer) -> None:
    httpserver.expect_request("/in", method="PUT", data="größe=1").respond_with_data("", 204)
    outcome = perform(Http("put", httpserver.url_for("/in"), body="größe=1"), cancel=never())
    assert (outcome.status, outcome.outputs["status"], outcome.outputs["json"]) == (
        Status.SUCCEEDED,
        204,
        None,
    )


def test_a_status_outside_expect_is_a_failure(httpserver: HTTPServer) -> None:
    httpserver.expect_request("/x").respond_with_data("boom\n", 503)
    url = httpserver.url_for("/x?token=abc")
    outcome = perform(Http("get", url), cancel=never())
    base = url.partition("?")[0]
    assert outcome.status is Status.FAILED
    assert outcome.error == f"GET {base} answered 503 SERVICE UNAVAILABLE; expected 200, 201, 202, 204"
    assert outcome.tail.startswith(f"GET {base}: 503 SERVICE UNAVAILABLE, ")
    assert outcome.tail.endswith("\nboom\n")
    assert perform(Http("get", url, expect=(503,)), cancel=never()).status is Status.SUCCEEDED


def test_redirects_are_followed_unless_they_are_expected(httpserver: HTTPServer) -> None:
    httpserver.expect_request("/old").respond_with_data("", 302, {"Location": "/new"})
    httpserver.expect_request("/new").respond_with_data("here")
    httpserver.expect_request("/ring").respond_with_data("", 302, {"Location": "/ring"})
    work = Http("get", httpserver.url_for("/old"))
    assert perform(work, cancel=never()).outputs["body"] == "here"
    assert perform(replace(work, expect=(302,)), cancel=never()).outputs["headers"]["location"] == "/new"
    ring = perform(Http("get", httpserver.url_for("/ring")), cancel=never())
    assert ring.error == f"GET {httpserver.url_for('/ring')}: it redirects more than 10 times"


def test_a_huge_answer_is_cut(httpserver: HTTPServer) -> None:
    httpserver.expect_request("/big").respond_with_data(b"[" + b"1," * MOST_BODY + b"1]")
    outcome = perform(Http("get", httpserver.url_for("/big")), cancel=never())
    assert outcome.status is Status.SUCCEEDED
    assert len(outcome.outputs["body"]) == MOST_BODY
    assert outcome.outputs["json"] is None


def test_nothing_that_comes_back_shows_a_secret(httpserver: HTTPServer) -> None:
    httpserver.expect_request("/hunter22").respond_with_json(
        {"you": ["sent", "hunter22"]}, 500, {"X-Echo": "hunter22"}
    )
    url = httpserver.url_for("/hunter22?key=hunter22").replace("://", "://me:hunter22@")
    outcome = perform(Http("get", url), cancel=never(), mask=Masker(["hunter22"]).text)
    assert "hunter22" not in repr(outcome)
    assert outcome.outputs["json"] == {"you": ["sent", "***"]}
    assert outcome.error.endswith("/*** answered 500 INTERNAL SERVER ERROR; expected 200, 201, 202, 204")


@pytest.fixture
def silent() -> Iterator[str]:
    """A server that takes connections and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/wait"


def test_silence_is_timed_out(silent: str) -> None:
    outcome = perform(Http("get", silent, timeout=150 * MILLISECOND), cancel=never())
    assert outcome.status is Status.TIMED_OUT
    assert outcome.error == f"GET {silent} gave no answer within 150ms"


def test_a_cancel_ends_the_wait(silent: str) -> None:
    cancel = threading.Event()
    cancel.set()
    outcome = perform(Http("get", silent, timeout=60 * SECOND), cancel=cancel)
    assert (outcome.status, outcome.error) == (Status.CANCELLED, f"GET {silent} was cancelled")


def test_a_slow_drip_does_not_outlast_the_timeout() -> None:
    """Each byte resets a socket's timeout; the step's own goes on."""
    stop = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def drip() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
                while not stop.wait(0.02):
                    try:
                        connection.sendall(b"x")
                    except OSError:
                        return

        thread = threading.Thread(target=drip)
        thread.start()
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/"
        outcome = perform(Http("get", url, timeout=300 * MILLISECOND), cancel=never())
        stop.set()
        thread.join()
    assert outcome.status is Status.TIMED_OUT


@pytest.mark.parametrize(
    ("url", "error"),
    [
        ("http://127.0.0.1:1/x", "GET http://127.0.0.1:1/x: it cannot be reached: connection refused"),
        ("ftp://example.com/x", "GET ftp://example.com/x: a URL begins with https:// or http://"),
        (
            "http://me:a b/c@127.0.0.1:1/x",
            "GET: a URL is malformed; put values into a URL with ${{ ... | urlencode }}",
        ),
        ("example.com/x", "GET ://example.com/x: a URL begins with https:// or http://"),
    ],
)
def test_trouble_is_said_in_words(url: str, error: str) -> None:
    outcome = perform(Http("get", url), cancel=never())
    assert (outcome.status, outcome.error) == (Status.FAILED, error)


def test_a_request_is_rendered_at_every_depth() -> None:
    work = Http(
        "post",
        "https://example.com/${{ vars.db }}",
        {"Authorization": "Bearer ${{ secrets.key }}"},
        json={"rows": "${{ steps.load.outputs.rows }}", "deep": [{"day": "day ${{ params.day }}"}], "n": 1},
    )
    context: dict[str, Any] = {
        "vars": {"db": "orders"},
        "secrets": {"key": "k"},
        "steps": {"load": {"outputs": {"rows": 42}}},
        "params": {"day": "x"},
    }
    filled = rendered(work, context)
    assert filled.url == "https://example.com/orders"
    assert filled.headers == {"Authorization": "Bearer k"}
    assert filled.json == {"rows": 42, "deep": [{"day": "day x"}], "n": 1}
    with pytest.raises(ExpressionError):
        rendered(work, {})


def test_no_value_adds_a_header() -> None:
    work = Http("get", "https://example.com/", {"X-Name": "${{ params.name }}"})
    with pytest.raises(ExecutorError, match="the value of X-Name holds a line break"):
        rendered(work, {"params": {"name": "a\r\nX-Admin: 1"}})


def test_a_netrc_does_not_replace_what_the_file_says(
    httpserver: HTTPServer, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine localhost login me password other\nmachine 127.0.0.1 login me password other\n")
    monkeypatch.setenv("NETRC", str(netrc))
    httpserver.expect_request("/x", headers={"Authorization": "Bearer mine"}).respond_with_data("yes")
    work = Http("get", httpserver.url_for("/x"), {"Authorization": "Bearer mine"})
    assert perform(work, cancel=never()).status is Status.SUCCEEDED
