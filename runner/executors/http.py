"""The `http` step: one request, with an end to its time and to what is read of the answer.

The answer's outputs are `status`, `body`, `json` (where it is JSON) and `headers` (names in lower case).
"""

from __future__ import annotations

import json
import os
import queue
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlsplit

import requests
from requests.utils import get_environ_proxies

from runner import __version__
from runner.core.run import Outcome, Status
from runner.duration import say_duration
from runner.errors import ExecutorError
from runner.executors.threads import Stop
from runner.expressions import render
from runner.moment import SECOND, Span
from runner.spec import Http

MOST_BODY = 256 * 1024
"""Bytes of an answer that are read; the rest is not."""
MOST_REDIRECTS = 10
_TAIL = 2_000
_POLL = 0.1
_CHUNK = 16 * 1024

Mask = Callable[[str], str]


@dataclass(frozen=True, slots=True)
class _Answer:
    status: int
    reason: str
    headers: Mapping[str, str]
    body: bytes
    cut: bool
    took: Span


def rendered(work: Http, context: Mapping[str, Any]) -> Http:
    """The request with its `${{ }}` filled in, at any depth of `json`. Raises ExpressionError, SecretError."""
    return replace(
        work,
        url=_line(render(work.url, context), "the URL"),
        headers={name: _line(render(value, context), name) for name, value in work.headers.items()},
        json=_filled(work.json, context),
        body=None if work.body is None else str(render(work.body, context)),
    )


def perform(work: Http, *, cancel: threading.Event | Stop, mask: Mask = str) -> Outcome:
    """Send the request (already rendered) and wait for the answer, its timeout or `cancel`.

    Everything that comes back passes `mask`. Never raises: trouble is a failed outcome.
    """
    answers: queue.SimpleQueue[_Answer | Exception] = queue.SimpleQueue()
    given_up = threading.Event()
    worker = threading.Thread(
        target=_exchange, args=(work, given_up, answers), name="runner-http", daemon=True
    )
    worker.start()
    left = work.timeout / SECOND
    try:
        while not cancel.is_set():
            try:
                answer = answers.get(timeout=min(_POLL, max(left, 0.001)))
            except queue.Empty:
                left -= _POLL
                if left <= 0:
                    return _timed_out(work)
                continue
            return _judged(work, answer, mask)
        return Outcome(Status.CANCELLED, error=f"{_title(work)} was cancelled")
    finally:
        given_up.set()


def _exchange(work: Http, given_up: threading.Event, answers: queue.SimpleQueue[_Answer | Exception]) -> None:
    """The request itself, in a thread that is left behind where nobody waits for its answer any more."""
    try:
        answers.put(_sent(work, given_up))
    except Exception as error:
        answers.put(error)


def _sent(work: Http, given_up: threading.Event) -> _Answer:
    with requests.Session() as session:
        # Not `trust_env`: a ~/.netrc would replace the Authorization header the file says.
        session.trust_env = False
        session.max_redirects = MOST_REDIRECTS
        session.proxies = dict(get_environ_proxies(work.url))
        body, headers = _body(work)
        response = session.request(
            work.method.upper(),
            work.url,
            headers=headers,
            data=body,
            stream=True,
            timeout=work.timeout / SECOND,
            allow_redirects=not any(300 <= code < 400 for code in work.expect),
            verify=os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("CURL_CA_BUNDLE") or True,
        )
        with response:
            data = bytearray()
            for chunk in response.iter_content(_CHUNK):
                data += chunk
                if len(data) > MOST_BODY or given_up.is_set():
                    break
            return _Answer(
                response.status_code,
                response.reason or "",
                {name.lower(): value for name, value in response.headers.items()},
                bytes(data[:MOST_BODY]),
                len(data) > MOST_BODY,
                round(response.elapsed.total_seconds() * SECOND),
            )


def _body(work: Http) -> tuple[bytes | None, dict[str, str]]:
    headers = {"User-Agent": f"runner/{__version__}", **work.headers}
    known = {name.lower() for name in headers}
    if work.json is not None:
        if "content-type" not in known:
            headers["Content-Type"] = "application/json"
        return json.dumps(work.json, ensure_ascii=False, default=str).encode(), headers
    return (None if work.body is None else work.body.encode()), headers


def _judged(work: Http, answer: _Answer | Exception, mask: Mask) -> Outcome:
    if isinstance(answer, requests.Timeout):
        return _timed_out(work)
    if isinstance(answer, Exception):
        return Outcome(Status.FAILED, error=mask(f"{_title(work)}: {_why(answer, work)}"))
    text = mask(answer.body.decode("utf-8", "replace"))
    good = answer.status in work.expect
    said = f"{answer.status} {answer.reason}".strip()
    expected = ", ".join(map(str, work.expect))
    return Outcome(
        Status.SUCCEEDED if good else Status.FAILED,
        error="" if good else mask(f"{_title(work)} answered {said}; expected {expected}"),
        tail=mask(f"{_title(work)}: {said}, {say_duration(answer.took)}\n") + text[-_TAIL:],
        outputs={
            "status": answer.status,
            "body": text,
            "json": None if answer.cut else _json(text),
            "headers": {name: mask(value) for name, value in answer.headers.items()},
        },
    )


def _timed_out(work: Http) -> Outcome:
    return Outcome(
        Status.TIMED_OUT, error=f"{_title(work)} gave no answer within {say_duration(work.timeout)}"
    )


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _title(work: Http) -> str:
    """Method and address without what may be secret in it: no user, no query."""
    try:
        url = urlsplit(work.url)
        host = url.hostname or ""
        port = f":{url.port}" if url.port else ""
    except ValueError:
        return work.method.upper()
    return f"{work.method.upper()} {url.scheme}://{host}{port}{url.path}"


def _why(error: Exception, work: Http) -> str:
    """The library's exceptions name its own pools and retries; people want the reason."""
    if isinstance(error, requests.TooManyRedirects):
        return f"it redirects more than {MOST_REDIRECTS} times"
    if isinstance(error, requests.exceptions.InvalidSchema | requests.exceptions.MissingSchema):
        return "a URL begins with https:// or http://"
    if isinstance(error, requests.exceptions.InvalidURL | requests.exceptions.InvalidHeader):
        # The library's own words would quote pieces of it, and a masker does not know pieces of a secret.
        what = "URL" if isinstance(error, requests.exceptions.InvalidURL) else "header"
        return f"a {what} is malformed; put values into a URL with ${{{{ ... | urlencode }}}}"
    if isinstance(error, requests.exceptions.SSLError):
        return f"its certificate is not trusted: {_innermost(error)}"
    if isinstance(error, requests.exceptions.ProxyError):
        return f"the proxy cannot be reached: {_innermost(error)}"
    if isinstance(error, requests.ConnectionError):
        return f"it cannot be reached: {_innermost(error)}"
    if isinstance(error, requests.RequestException | OSError):
        return f"the exchange broke off: {_innermost(error)}"
    return f"{type(error).__name__}: {error}"


def _innermost(error: BaseException) -> str:
    """What the operating system said, at the bottom of a chain of wrappers."""
    seen: set[int] = set()
    while id(error) not in seen:
        seen.add(id(error))
        inner = getattr(error, "reason", None)
        if not isinstance(inner, BaseException):
            inner = error.__cause__ or error.__context__
        if not isinstance(inner, BaseException):
            inner = next((arg for arg in error.args if isinstance(arg, BaseException)), None)
        if inner is None:
            break
        error = inner
    if isinstance(error, OSError) and error.strerror:
        return error.strerror.lower()
    return str(error)


def _filled(value: Any, context: Mapping[str, Any]) -> Any:
    if isinstance(value, str):
        return render(value, context)
    if isinstance(value, Mapping):
        return {str(_filled(key, context)): _filled(item, context) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_filled(item, context) for item in value]
    return value


def _line(value: Any, what: str) -> str:
    """A value that must be one line: nothing in it may add a header."""
    text = str(value)
    if any(char in text for char in "\r\n\0"):
        raise ExecutorError(f"the value of {what} holds a line break", hint="URLs and headers are one line")
    return text
