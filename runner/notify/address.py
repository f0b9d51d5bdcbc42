"""Addresses of targets: filled with secrets only when used, and never shown with them."""

from __future__ import annotations

import re

from runner.errors import RunnerError
from runner.secrets import Secrets

_URL = re.compile(r"\b([a-z][a-z0-9+.-]*)://[^\s'\"<>]+", re.IGNORECASE)


def filled(url: str, secrets: Secrets | None) -> str:
    """The address to use now. RunnerError where it names a secret and nobody knows any."""
    if "${{" not in url:
        return url
    if secrets is None:
        raise RunnerError("the address needs a secret, and none is known", hint="declare it under secrets:")
    return secrets.render(url)


def masked(text: str, secrets: Secrets | None = None) -> str:
    """The text with secrets and everything after the scheme of any address hidden: Apprise URLs hold tokens."""
    if secrets is not None:
        text = secrets.mask(text)
    return _URL.sub(r"\1://***", text)
