"""Secrets and env files: whether they can be read, and by whom else. No value is ever shown, and no command is run."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from pathlib import Path

from runner.amounts import count
from runner.doctor.case import Case
from runner.doctor.finding import Finding, note, ok
from runner.errors import ExecutorError, SecretError
from runner.executors import environment
from runner.secrets import Secrets


def env_files(case: Case) -> Iterator[Finding]:
    names = sorted({name for spec in case.specs for name in spec.env_files})
    found: list[Finding] = []
    for name in names:
        try:
            environment.env_files([name], case.place.home)
        except ExecutorError as error:
            found.append(case.lacks("env files", error.fact, error.hint))
        except OSError as error:
            found.append(case.lacks("env files", f"{error.filename} cannot be read: {error.strerror}",
                                 "let the runner's user read it"))  # fmt: skip
        except ValueError:
            found.append(
                case.lacks("env files", f"{name} is no UTF-8 text", "write NAME=VALUE, one on a line")
            )
        else:
            found += _open("env files", case.place.home / name.removesuffix("?"))
    yield from found
    if names and not found:
        yield ok("env files", f"{count(len(names), 'file')}: can be read, and by nobody else")


def secrets(case: Case) -> Iterator[Finding]:
    if case.config is None or not case.config.secrets:
        return
    sources = case.config.secrets
    found: list[Finding] = []
    declared = Secrets(sources, case.place.home, case.runners_environ)
    found += [_missing(case, error) for error in declared.problems()]
    for source in sources.values():
        if source.get("file"):
            found += _open("secrets", case.place.home / Path(source["file"]).expanduser())
    yield from found
    if not found:
        commands = sum("command" in source for source in sources.values())
        apart = f" ({count(commands, 'command')} only looked for, not run)" if commands else ""
        yield ok("secrets", f"{count(len(sources), 'secret')}: there{apart}")


def _missing(case: Case, error: SecretError) -> Finding:
    fact = f"{error.place}: {error.fact}"
    if error.fact.startswith("the environment has no") and case.runners_environ is case.environ:
        looked = "this shell's environment was looked at, and a service may have another"
        return note("secrets", fact, f"{error.hint}; {looked}")
    return case.lacks("secrets", fact, error.hint)


def _open(about: str, path: Path) -> Iterator[Finding]:
    """Whether others than its owner may read it."""
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
    except OSError:
        return
    if mode & stat.S_IROTH:
        yield note(
            about, f"every user of this machine may read {path} (mode {mode:04o})", f"chmod 600 {path}"
        )
