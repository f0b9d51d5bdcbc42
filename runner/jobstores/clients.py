"""Clients that programs bring along."""

from __future__ import annotations

from importlib import import_module
from typing import Any


def given(client: Any) -> Any:
    """The client, or what `package.module:name` names; LookupError where that is not there."""
    if not isinstance(client, str):
        return client
    module, _, path = client.partition(":")
    try:
        found: Any = import_module(module)
        for name in path.split("."):
            found = getattr(found, name)
    except (ImportError, AttributeError, ValueError) as error:
        raise LookupError(f"no client is found as {client!r}: {error}") from error
    return found
