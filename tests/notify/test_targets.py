"""Real channels into real sinks: an SMTP server and an HTTP server of our own."""

from __future__ import annotations

import email
import email.policy
import queue
import socket
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from pytest_httpserver import HTTPServer

from runner.errors import RunnerError
from runner.notify.apprise import AppriseNotifier
from runner.notify.base import Message
from runner.notify.heartbeat import beat
from runner.notify.targets import check, notifier_for
from tests.closed import closed_port
from tests.waiting import PATIENCE

FAILURE = Message("etl failed in load", "Result: failed\n\n    <no> such table & so on", "failure")


@dataclass
class Mailbox:
    port: int
    mails: queue.Queue[Any]


@pytest.fixture
def smtp() -> Iterator[Mailbox]:
    mails: queue.Queue[Any] = queue.Queue()

    class Keep:
        async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802 - aiosmtpd calls it so
            mails.put(envelope)
            return "250 kept"

    class Here(Controller):
        """On a port that the system chose and nobody else was given."""

        def _create_server(self) -> Any:
            return self.loop.create_server(self._factory_invoker, sock=listener)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        controller = Here(Keep(), hostname="127.0.0.1", port=port, ready_timeout=PATIENCE)
        controller.start()
        yield Mailbox(port, mails)
        controller.stop()


def test_a_mail_arrives_whole(smtp: Mailbox) -> None:
    url = (
        f"mailto://127.0.0.1:{smtp.port}?from=runner@example.com&to=ops@example.com&mode=insecure&format=text"
    )
    notifier_for(url, print).send(FAILURE)
    envelope = smtp.mails.get(timeout=PATIENCE)
    mail = email.message_from_bytes(envelope.content, policy=email.policy.default)
    assert envelope.rcpt_tos == ["ops@example.com"]
    assert mail["Subject"] == "etl failed in load"
    body = mail.get_body(("plain",))
    assert body is not None
    assert "    <no> such table & so on" in body.get_content()


def test_a_webhook_hears_title_body_and_kind(httpserver: HTTPServer) -> None:
    heard: list[Any] = []

    def hear(request: Any) -> Any:
        heard.append(request.get_json())
        return _ok()

    httpserver.expect_request("/hook", method="POST").respond_with_handler(hear)
    notifier_for(httpserver.url_for("/hook").replace("http://", "json://"), print).send(FAILURE)
    assert [(one["title"], one["message"], one["type"]) for one in heard] == [
        (FAILURE.title, FAILURE.body, "failure")
    ]


def _ok() -> Any:
    from werkzeug import Response

    return Response("fine")


def test_a_refusal_is_an_error_with_its_reason(httpserver: HTTPServer) -> None:
    httpserver.expect_request("/hook").respond_with_data("no", status=500)
    with pytest.raises(RunnerError) as caught:
        notifier_for(httpserver.url_for("/hook").replace("http://", "json://"), print).send(FAILURE)
    assert "JSON did not take the message: Failed to send JSON POST notification" in caught.value.fact
    assert "500" in caught.value.fact


def test_nobody_at_the_address_is_an_error() -> None:
    with closed_port() as port, pytest.raises(RunnerError, match="JSON did not take the message"):
        AppriseNotifier(f"json://127.0.0.1:{port}/x").send(FAILURE)


@pytest.mark.parametrize(
    ("url", "fact"),
    [
        ("bogus://token@host", "bogus: is not an address that can be used"),
        ("mailto://", "mailto: is not an address that can be used"),
        ("just text", "just text: is not an address that can be used"),
        ("json://localhost", ""),
        ("log:", ""),
        ("pings://hc.example.com/uuid", ""),
        ("${{ secrets.slack }}", ""),
    ],
)
def test_addresses_are_checked_without_sending(url: str, fact: str) -> None:
    assert check(url).startswith(fact)
    assert bool(check(url)) == bool(fact)


def test_the_log_channel_says_a_plain_block() -> None:
    said: list[str] = []
    notifier_for("log:", said.append).send(FAILURE)
    notifier_for("log:", said.append).send(Message("etl recovered", "", "success"))
    assert said == [
        "ALERT etl failed in load\n| Result: failed\n|\n|     <no> such table & so on",
        "NEWS etl recovered",
    ]


@pytest.mark.parametrize(
    ("url", "state", "path"),
    [
        ("/ping/etl", "start", "/ping/etl/start"),
        ("/ping/etl", "success", "/ping/etl"),
        ("/ping/etl/", "fail", "/ping/etl/fail"),
        ("/ping?state={state}", "fail", "/ping?state=fail"),
        ("/ping?token=1", "start", "/ping/start?token=1"),
    ],
)
def test_a_watcher_is_pinged(httpserver: HTTPServer, url: str, state: Any, path: str) -> None:
    where, _, query = path.partition("?")
    httpserver.expect_oneshot_request(where, query_string=query).respond_with_data("OK")
    beat(httpserver.url_for(url).replace("%7B", "{").replace("%7D", "}"), state)
    httpserver.check_assertions()
    assert len(httpserver.log) == 1


def test_a_watcher_that_refuses_is_an_error(httpserver: HTTPServer) -> None:
    httpserver.expect_request("/ping/fail").respond_with_data("gone", status=410)
    with pytest.raises(RunnerError, match="the watcher answered 410"):
        beat(httpserver.url_for("/ping"), "fail")


def test_a_channel_can_be_a_watcher(httpserver: HTTPServer) -> None:
    httpserver.expect_request("/ping/fail", method="POST").respond_with_data("OK")
    httpserver.expect_request("/ping", method="POST").respond_with_data("OK")
    channel = notifier_for(httpserver.url_for("/ping").replace("http://", "ping://"), print)
    channel.send(FAILURE)
    channel.send(Message("etl recovered", "", "success"))
    assert [request.path for request, _ in httpserver.log] == ["/ping/fail", "/ping"]


def test_the_output_arrives_with_the_mail(smtp: Mailbox, tmp_path: Path) -> None:
    log = tmp_path / "etl.log"
    log.write_text("no such table\n")
    url = f"mailto://127.0.0.1:{smtp.port}?from=runner@example.com&to=ops@example.com&mode=insecure"
    notifier_for(url, print).send(replace(FAILURE, attachment=str(log)))
    notifier_for(url, print).send(replace(FAILURE, attachment=str(tmp_path / "gone.log")))
    first, second = (
        email.message_from_bytes(smtp.mails.get(timeout=PATIENCE).content, policy=email.policy.default)
        for _ in range(2)
    )
    assert [part.get_filename() for part in first.iter_attachments()] == ["etl.log"]
    assert list(second.iter_attachments()) == []
