"""What a step of Dagu's does, in our words: a script, a request, or a step that fails and says what is missing."""

from __future__ import annotations

import re
import shlex
from collections.abc import Collection, Mapping
from typing import Any

from runner.config.dagu_words import Words, double_quoted
from runner.config.taken import literal, seconds

_LOCAL = {"", "shell", "command", "exec", "sh", "bash"}
_METHODS = {"GET", "POST", "PUT", "PATCH", "DELETE", "HEAD"}
_VARIABLE = re.compile(r"\$\{[A-Za-z_]\w*\}", re.ASCII)
_SHELL = re.compile(r"(.*/)?(ba|da|a|k|z)?sh")
_OURS = (["sh"], ["sh", "-e"], ["/bin/sh"], ["/bin/sh", "-e"])


def work(
    id: str, given: Mapping[str, Any], exports: list[str], words: Words, workflows: Collection[str]
) -> dict[str, Any]:
    """Our keys for what it does. `exports`: lines for the head of its script. `workflows`: the names of all."""
    kind, config = kind_of(given)
    if kind == "http":
        return _http(id, given, config, words)
    called = str(given.get("call") or _called(given, workflows))
    if called:
        words.miss(
            f"{id}.call", f"{called} is a job of its own: start it with `after`, or run its steps here"
        )
        return _fails(called)
    if kind not in _LOCAL:
        words.miss(f"{id}.{kind}", "write a command that does it")
        return _fails(kind)
    script = _script(id, {**given, **config} if kind == "exec" else given, words)
    return _run(id, script, config.get("shell") or given.get("shell") or "", exports, words)


def kind_of(given: Mapping[str, Any]) -> tuple[str, Mapping[str, Any]]:
    """The kind of a step in any of Dagu's spellings, and what belongs to it."""
    kind: Any = given.get("executor") or given.get("type") or given.get("action") or ""
    config: Any = given.get("config") or given.get("with") or {}
    if isinstance(kind, dict):
        kind, config = kind.get("type") or "", kind.get("config") or {}
    return "http" if kind == "http.request" else str(kind), config if isinstance(config, dict) else {}


def listed(value: Any) -> list[Any]:
    """What may be one thing or a list of them."""
    return list(value) if isinstance(value, list) else [value]


def _fails(what: str) -> dict[str, Any]:
    return {"run": f"echo {shlex.quote(f'{what} is not taken over')} >&2\nexit 1\n"}


def _run(id: str, script: str, shell: Any, exports: list[str], words: Words) -> dict[str, Any]:
    first = script.split("\n", 1)[0]
    argv = shell if isinstance(shell, list) else shlex.split(first[2:] if first.startswith("#!") else shell)
    program = next((each for each in argv if not re.search(r"(^|/)env$", each)), "sh")
    head = [*words.prologue, *exports]
    if head and not _SHELL.fullmatch(program):
        words.miss(f"{id}.env", "its variables have to be worked out by a shell")
        head = []
    if not _SHELL.fullmatch(program) and _VARIABLE.search(script):
        words.notes.append(
            f"`{id}`: Dagu put the values of ${{NAME}} into the text of its script; here {program} reads them "
            "from its environment"
        )
    text = "\n".join([*head, script])
    found: dict[str, Any] = {"run": literal(text if "\n" not in text or text.endswith("\n") else text + "\n")}
    if argv and argv not in _OURS:
        found["shell"] = argv[0] if argv == ["bash"] else argv
    return found


def _called(given: Mapping[str, Any], workflows: Collection[str]) -> str:
    """The workflow that `run` names, as older releases of Dagu read it."""
    run = given.get("run")
    if not isinstance(run, str) or len(run.split()) != 1:
        return ""
    name = re.sub(r"\.ya?ml$", "", run)
    return run if name in workflows or name != run or given.keys() & {"parallel", "params"} else ""


def _script(id: str, given: Mapping[str, Any], words: Words) -> str:
    command = given.get("command") or given.get("cmd") or ""
    script = given.get("script") or given.get("run") or ""
    args = " ".join(map(_argument, listed(given.get("args") or [])))
    if isinstance(script, list):
        script = "\n".join(script)
    if isinstance(command, list):
        # Older releases read a list as one command and its arguments, newer ones as several commands.
        several = " " in command[0]
        command = "\n".join(command) if several else " ".join(map(_argument, command))
    if script and command:
        # The command is what reads the script.
        words.miss(f"{id}.command", f"write `shell: {command}`")
    text = str(script or command)
    if not text.strip():
        words.notes.append(f"{id}: it does nothing")
        return "true"
    return f"{text} {args}" if args else text


def _argument(text: str) -> str:
    """One word of a command line; a shell still works out what it refers to."""
    return text if re.fullmatch(r"[\w@%+=:,./${}-]+", text) else double_quoted(text)


def _http(id: str, given: Mapping[str, Any], config: Mapping[str, Any], words: Words) -> dict[str, Any]:
    line = str(given.get("command") or "").split()
    method = str(config.get("method") or (line[0] if len(line) > 1 else "GET")).upper()
    request: dict[str, Any] = {method.lower(): str(config.get("url") or (line[-1] if line else ""))}
    if config.get("headers"):
        request["headers"] = dict(config["headers"])
    if config.get("body") or given.get("script"):
        request["body"] = str(config.get("body") or given["script"])
    made = _expressions(request, words)
    if made is None or method not in _METHODS or not made[method.lower()] or config.get("query"):
        words.miss(f"{id}.http", "write `http: {get: URL}`")
        return _fails("the request")
    if config.get("timeout"):
        made["timeout"] = seconds(config["timeout"])
    return {"http": made}


def _expressions(value: Any, words: Words) -> Any:
    """The texts with expressions of ours; None where one refers to what has no name here."""
    if isinstance(value, dict):
        found = {key: _expressions(each, words) for key, each in value.items()}
        return None if None in found.values() else found
    return words.expression(str(value))
