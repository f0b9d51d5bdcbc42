"""A job that does its best to tell its secrets, run by the real command line: no place has them afterwards.

The places: the live log, the stored log, outputs and errors in the history, the database, the list of processes, the
environment of other steps, alerts, and what the verbs print.
"""

from __future__ import annotations

import base64
import json
import os
import stat
import subprocess
import sys
from pathlib import Path
from urllib.parse import quote

import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

PASSWORD = "x9!Kq \"7'$ö\\/w"
KEY = "-----BEGIN-----\nMIIEvQIBADANBgkqhkiG\n9w0BAQEFAASCBKcwggSj\n-----END-----"
TOKEN = "tok_4242_ABCDEFGH"
FORMS = [
    PASSWORD,
    *KEY.splitlines()[1:3],
    TOKEN,
    json.dumps(PASSWORD)[1:-1],
    quote(PASSWORD, safe=""),
    base64.b64encode(PASSWORD.encode()).decode().rstrip("=")[:-1],
    base64.b64encode(TOKEN.encode()).decode().rstrip("=")[:-1],
    TOKEN.encode().hex(),
]

JOBS = """
secrets:
  password: {env: DB_PASSWORD}
  key: {file: key}
  token: {command: [cat, token]}
channels:
  hook: HOOK
jobs:
  leak:
    env: {SHOWN: "yes"}
    steps:
      - id: prints
        env: {PW: "${{ secrets.password }}", KEY: "${{ secrets.key }}", TOKEN: "${{ secrets.token }}"}
        run: |
          printf '%s\\n' "plain $PW" "$KEY" "url $TOKEN" >&2
          printf '%s' "$PW" | base64
          printf '%s' "user:$TOKEN" | base64
          printf '%s' "$TOKEN" | od -An -tx1 | tr -d ' \\n'
          printf '%s' "${TOKEN%????????}"; printf '%s\\n' "${TOKEN#tok_4242_}"
          printf 'token=%s\\n' "$TOKEN" >> "$RUNNER_OUTPUT"
      - id: processes
        run: |
          test ${{ secrets.token }} = "$(cat token)"
          for file in /proc/[0-9]*/cmdline; do tr '\\0' ' ' 2>/dev/null < "$file" || true; echo; done > processes.txt
          env > environment.txt
      - id: traces
        run: |
          set -x
          : ${{ secrets.password }} '${{ secrets.key }}'
      - id: argument
        command: [sh, -c, 'echo "$1"', sh, "${{ steps.prints.outputs.token }}"]
      - id: mistakes
        if: always()
        run: echo ${{ secrets.token | shift('1d') }}
      - id: asks
        if: always()
        http: {get: "SERVER/${{ secrets.token }}?password=${{ secrets.password | urlencode }}"}
      - id: lost
        if: always()
        http: {get: "http://user:${{ secrets.password }}@127.0.0.1:1/"}
      - id: calls
        if: always()
        python: leaky:call
        with: {token: "${{ secrets.token }}"}
    notify:
      on_failure: {to: [hook], attach_log: true}
"""
LEAKY = """
def call(token):
    print("called with", token)
    raise ValueError(f"cannot use {token}")
"""


@pytest.fixture
def heard(httpserver: HTTPServer) -> list[str]:
    """What the HTTP server of the steps and of the alert was told."""
    said: list[str] = []

    def answer(request: Request) -> Response:
        said.append(request.get_data(as_text=True))
        return Response(f"you asked for {request.full_path} {TOKEN}", 418 if request.method == "GET" else 200)

    httpserver.expect_request("/alert", method="POST").respond_with_handler(answer)
    httpserver.expect_request(f"/{TOKEN}").respond_with_handler(answer)
    return said


@pytest.fixture
def place(tmp_path: Path, httpserver: HTTPServer, heard: list[str]) -> Path:
    hook = httpserver.url_for("/alert").replace("http://", "json://")
    (tmp_path / "jobs.yaml").write_text(
        JOBS.replace("HOOK", hook).replace("SERVER", httpserver.url_for("").rstrip("/"))
    )
    (tmp_path / "leaky.py").write_text(LEAKY)
    (tmp_path / "key").write_text(KEY + "\n")
    (tmp_path / "token").write_text(TOKEN + "\n")
    return tmp_path


def runner(place: Path, *args: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "runner", *args, "-f", str(place / "jobs.yaml")],
        env={**os.environ, "RUNNER_STATE_DIR": str(place / "state"), "DB_PASSWORD": PASSWORD},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return done.stdout + done.stderr


def told(text: str) -> list[str]:
    return [form for form in FORMS if form in text]


def test_no_place_shows_a_secret(place: Path, heard: list[str]) -> None:
    said = runner(place, "run", "leak")
    assert "plain ***" in said
    assert "failed" in said
    assert told(said) == []
    for verb in (
        ("logs", "leak"),
        ("history", "--json", "--all"),
        ("history",),
        ("list", "--json"),
        ("why", "leak"),
        ("validate",),
        ("status",),
    ):
        assert told(runner(place, *verb)) == [], verb
    assert told((place / "processes.txt").read_text()) == []
    environment = (place / "environment.txt").read_text()
    assert "DB_PASSWORD" not in environment
    assert "SHOWN=yes" in environment
    assert "leak" in "".join(heard), "the alert did not arrive"
    assert told("".join(heard)) == []
    for file in (place / "state").rglob("*"):
        if file.is_file() and file.name not in (
            "output",
            "result",
        ):  # the command's own, private to the attempt
            assert told(file.read_bytes().decode("utf-8", "replace")) == [], file


def test_the_run_did_what_the_other_test_looks_at(place: Path) -> None:
    """Each step got as far as telling its secret, so that finding none means something."""
    said = runner(place, "run", "leak")
    lines = [line.strip() for line in said.splitlines()]
    for line in ("prints | url ***", "argument | ***", "calls | called with ***"):
        assert line in lines, said
    assert "shift('1d') }}: '***' is not a date or time" in said
    assert "answered 418 I'M A TEAPOT" in said
    assert "cannot use ***" in said


def test_only_the_owner_can_read_what_is_kept(place: Path) -> None:
    runner(place, "run", "leak")
    state = place / "state"
    assert stat.S_IMODE(state.stat().st_mode) == 0o700
    for path in (
        *state.glob("runner.db*"),
        *state.glob("logs/*/*"),
        *state.glob("runs/*"),
        *state.glob("scratch/*"),
    ):
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0, path
