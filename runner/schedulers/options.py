"""What `configure` takes: options nested or dotted, with a prefix or without, from a dict and from keywords."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, MutableMapping
from dataclasses import dataclass, field
from typing import Any

from runner.moment import SECOND, Span
from runner.schedulers.alerts import Channel, channels_of
from runner.schedulers.making import Defaults
from runner.schedulers.plugins import Kind, by_path, load, named
from runner.triggers.zones import local_name, name_of

_PREFIXES = ("runner.", "apscheduler.")


@dataclass(frozen=True, slots=True)
class Options:
    """A configuration, read. Stores and executors are instances."""

    logger: logging.Logger
    zone: str
    name: str
    retry_every: Span | None
    """Of a store that fails; None: soon, then less often."""
    defaults: Defaults
    executors: Mapping[str, Any] = field(default_factory=dict)
    jobstores: Mapping[str, Any] = field(default_factory=dict)
    allowed_modules: tuple[str, ...] | None = None
    daemon: bool = True
    channels: Mapping[str, Channel] = field(default_factory=dict)
    rest: Mapping[str, Any] = field(default_factory=dict)
    """Options of one kind of scheduler only (`event_loop`, `io_loop`, `reactor`)."""


def read(given: Mapping[str, Any], prefix: str | None, options: Mapping[str, Any]) -> Options:
    """The options of a dict whose keys have a prefix, under those given by keyword."""
    nested = _nested({**_unprefixed(given, prefix), **options})
    known: dict[str, Any] = {
        "logger": _logger(nested.pop("logger", None)),
        "zone": local_name() if (zone := nested.pop("timezone", None)) is None else name_of(zone),
        "name": str(nested.pop("name", "default")),
        "retry_every": _retry(nested.pop("jobstore_retry_interval", None)),
        "defaults": _defaults(nested.pop("job_defaults", {})),
        "executors": dict(_instances("executor", nested.pop("executors", {}))),
        "jobstores": dict(_instances("job store", nested.pop("jobstores", {}))),
        "daemon": truth(nested.pop("daemon", True)),
        "channels": channels_of(nested.pop("channels", {})),
        "allowed_modules": _modules(nested.pop("allowed_modules", None)),
    }
    return Options(
        **known, rest={key: _loop(value) if key in _LOOPS else value for key, value in nested.items()}
    )


_LOOPS = ("event_loop", "io_loop", "reactor")


def _loop(value: Any) -> Any:
    """The loop itself, or what `package.module:name` names."""
    return named(value) if isinstance(value, str) else value


def _unprefixed(given: Mapping[str, Any], prefix: str | None) -> dict[str, Any]:
    prefixes = (prefix, *_PREFIXES) if prefix in _PREFIXES else (prefix,)
    if not prefix:
        return dict(given)
    found: dict[str, Any] = {}
    for key, value in given.items():
        for each in prefixes:
            if each and key.startswith(each):
                found[key.removeprefix(each)] = value
                break
    return found


def _nested(flat: Mapping[str, Any]) -> dict[str, Any]:
    """`executors.default.type` as keys in keys."""
    found: dict[str, Any] = {}
    for key, value in flat.items():
        *path, last = key.split(".")
        place: MutableMapping[str, Any] = found
        for part in path:
            place = place.setdefault(part, {})
        place[last] = value
    return found


def _retry(value: Any) -> Span | None:
    """Seconds, also as text; ValueError where they are none."""
    seconds = 0.0 if value is None else float(value)
    if value is not None and not 0 < seconds < float("inf"):
        raise ValueError(f"jobstore_retry_interval must be a number of seconds above 0, not {value!r}")
    return round(seconds * SECOND) or None


def _logger(value: Any) -> logging.Logger:
    if isinstance(value, str):
        return by_path(value) if ":" in value else logging.getLogger(value)
    return logging.getLogger("runner.scheduler") if value is None else value


def _defaults(given: Mapping[str, Any]) -> Defaults:
    usual = Defaults()
    grace = given.get("misfire_grace_time", usual.misfire_grace_time)
    most = given.get("max_instances", usual.max_instances)
    return Defaults(
        None if grace in (None, "None", "") else float(grace) if float(grace) % 1 else int(float(grace)),
        truth(given.get("coalesce", usual.coalesce)),
        None if most in (None, "None", "") else int(most),
    )


def _modules(value: Any) -> tuple[str, ...] | None:
    if value is None:
        return None
    return tuple(value.split()) if isinstance(value, str) else tuple(value)


def _instances(kind: Kind, given: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    key = {"executor": "executors", "job store": "jobstores", "trigger": "triggers"}[kind]
    for alias, value in given.items():
        if isinstance(value, MutableMapping):
            arguments = dict(value)
            name, path = arguments.pop("type", None), arguments.pop("class", None)
            if path:
                made = path if isinstance(path, type) else by_path(_renamed(path))
            elif name:
                made = load(kind, name)
            else:
                raise ValueError(
                    f'Cannot create {kind} "{alias}" -- either "type" or "class" must be defined'
                )
            yield alias, made(**{name: _number(each) for name, each in arguments.items()})
        elif is_one(kind, value):
            yield alias, value
        else:
            raise TypeError(
                f"Expected {kind} instance or dict for {key}['{alias}'], got {type(value).__name__} instead"
            )


def is_one(kind: Kind, value: Any) -> bool:
    """Whether this is an executor, or a job store, by what it can do."""
    needed = (
        ("start", "cancel", "recover", "open", "close") if kind == "executor" else ("load", "write", "hold")
    )
    return not isinstance(value, type) and all(callable(getattr(value, name, None)) for name in needed)


def _renamed(path: str) -> str:
    """A class named by its place in APScheduler stands at the same place here."""
    return f"runner.{path.removeprefix('apscheduler.')}" if path.startswith("apscheduler.") else path


def _number(value: Any) -> Any:
    """Configuration files give numbers as text."""
    return int(value) if isinstance(value, str) and value.isdigit() else value


def truth(value: Any) -> bool:
    """A boolean, or the words for one."""
    if isinstance(value, str):
        word = value.strip().lower()
        if word in ("true", "yes", "on", "y", "t", "1"):
            return True
        if word in ("false", "no", "off", "n", "f", "0"):
            return False
        raise ValueError(f'Unable to interpret value "{value}" as boolean')
    return bool(value)
