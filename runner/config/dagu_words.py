"""What Dagu's steps share: parameters, variables, secrets, and how its texts refer to them."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping
from typing import Any

from runner.config.taken import literal

NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_TYPES = {"string", "integer", "number", "boolean"}
_REFERENCE = re.compile(r"\$\{(\w+)\}|\$(\w+)")
_ASSIGNMENT = re.compile(r"""([A-Za-z_]\w*)=("[^"]*"|'[^']*'|`[^`]*`|\S*)""")


class Words:
    """The names a workflow gives to values, and what is told about it.

    `env`: texts as they are. `prologue`: lines for the head of each script, for what only a shell can work out.
    `missed`: what the job cannot do without.
    """

    def __init__(self, given: Mapping[str, Any], secrets: dict[str, dict[str, str]]) -> None:
        self.notes: list[str] = []
        self.missed: list[str] = []
        self.params: dict[str, dict[str, Any]] = {}
        self.env: dict[str, str] = {}
        self.prologue: list[str] = []
        self.secrets: list[str] = []
        self._places = secrets
        self._tagged: list[str] = []
        for name, entry in self._entries(given.get("params") or []):
            self._param(name, entry)
        for name, value in self.variables("env", given.get("env")):
            if _is_text(value):
                self.env[name] = value
            else:
                self.prologue.append(f"export {name}={double_quoted(value)}")
        for entry in given.get("secrets") or []:
            self._secret(entry)

    def miss(self, key: str, why: str) -> None:
        """A key it cannot do without, and what to write instead."""
        self.missed.append(key)
        self.notes.append(f"`{key}` is not taken over: {why}")

    def plain(self, key: str, value: str) -> bool:
        """Whether nothing in a text has to be worked out; else that is told."""
        if not _is_text(value):
            self.miss(key, f"{value!r} has to be worked out by a shell")
            return False
        return True

    def variables(self, key: str, given: Any) -> Iterator[tuple[str, str]]:
        """Those of `pairs` that a shell can have; the others are told."""
        for name, value in pairs(given or []):
            if NAME.fullmatch(name):
                yield name, value
            else:
                self.miss(f"{key}: {name}", "a variable is named with letters, digits and _")

    def tags(self, value: Any) -> Iterator[str]:
        """All tags so far, these included: as a text with commas, a list, or names with values."""
        if isinstance(value, str):
            found = [each.strip() for each in re.split(r"[,\s]+", value)]
        elif isinstance(value, dict):
            found = [f"{key}={each}" for key, each in value.items()]
        else:
            found = [f"{k}={v}" for each in value if isinstance(each, dict) for k, v in each.items()]
            found += [each for each in value if isinstance(each, str)]
        self._tagged += [each for each in found if each and each not in self._tagged]
        return iter(self._tagged)

    def expression(self, text: str) -> str | None:
        """The text with its references as expressions of ours; None where one is none of its names."""
        known = {name: f"params.{name}" for name in self.params}
        known |= {name: f"secrets.{name}" for name in self.secrets}
        known |= {name: f"env.{name}" for name in self.env}
        names = {one or two for one, two in _REFERENCE.findall(text)}
        if not names <= known.keys() or "`" in text or "$(" in text:
            return None
        return _REFERENCE.sub(lambda found: f"${{{{ {known[found[1] or found[2]]} }}}}", literal(text))

    def _entries(self, given: Any) -> Iterator[tuple[str, Any]]:
        """(name, default or definition) of each parameter."""
        if isinstance(given, dict) and (given.get("type") == "object" or "schema" in given):
            properties = given.get("properties")
            if not isinstance(properties, dict):
                self.miss("params.schema", "write what it allows below `params`")
                return
            required = given.get("required") or []
            for name, each in properties.items():
                yield name, {**each, "required": "true"} if name in required else each
        elif isinstance(given, str):
            named = _ASSIGNMENT.findall(given)
            if not named and given.strip():
                self._positional(given)
            for name, value in named:
                yield name, value if value.startswith("`") else "".join(shlex.split(value))
        elif isinstance(given, dict):
            yield from given.items()
        else:
            for each in given:
                if isinstance(each, dict) and "name" in each and len(each) > 1:
                    yield each["name"], each
                elif isinstance(each, dict) or "=" in each:
                    yield from pairs([each])
                else:
                    self._positional(each)

    def _positional(self, text: str) -> None:
        self.miss("params", f"{text!r} has no name: name it, and write $NAME instead of $1")

    def _param(self, name: str, entry: Any) -> None:
        if not NAME.fullmatch(name):
            self.miss(f"params.{name}", "a parameter is named with letters, digits and _")
            return
        if not isinstance(entry, dict):
            entry = {"default": "" if entry is None else str(entry)}
        default = entry.get("default")
        found: dict[str, Any] = {}
        if isinstance(entry.get("enum"), list):
            found |= {"type": "choice", "options": entry["enum"]}
        elif entry.get("type") in _TYPES - {"string"}:
            found["type"] = entry["type"]
        if default is not None and _is_text(str(default)):
            found["default"] = _typed(str(default), found.get("type", "string"))
        elif default is not None:
            # `:-` and not `:=`: a value that was given stays.
            found["default"] = ""
            self.prologue.append(f'export {name}="${{{name}:-{double_quoted(default)[1:-1]}}}"')
            self.notes.append(f"the default of the parameter {name} is worked out by each step anew")
        elif str(entry.get("required", "")).lower() == "true":
            found["required"] = True
        for theirs, ours in (("description", "description"), ("pattern", "pattern")):
            if entry.get(theirs):
                found[ours] = literal(entry[theirs]) if ours == "description" else entry[theirs]
        for theirs, ours in (("minimum", "min"), ("maximum", "max")):
            if entry.get(theirs):
                found[ours] = _typed(entry[theirs], "number")
        self.params[name] = found

    def _secret(self, entry: Any) -> None:
        name, provider, key = (str(entry.get(each, "")) for each in ("name", "provider", "key"))
        if provider in ("env", "file") and NAME.fullmatch(name) and key:
            self.secrets.append(name)
            self._places[name] = {provider: key}
        else:
            self.miss(f"secrets.{name}", "write `secrets: {NAME: {command: [...]}}` at the head of the file")


def _typed(text: str, kind: str) -> Any:
    if kind == "boolean":
        return text.lower() == "true"
    if kind in ("integer", "number"):
        number = float(text)
        return int(number) if number.is_integer() else number
    return literal(text)


def _is_text(value: str) -> bool:
    """Whether it stands for itself: no shell has to work it out."""
    return "$" not in value and "`" not in value


def double_quoted(value: str) -> str:
    """For a shell, which still works out `$` and backquotes in it."""
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'


def pairs(given: Any) -> Iterator[tuple[str, str]]:
    """(name, value) of variables: a mapping, a list of mappings, or texts NAME=VALUE."""
    for each in [given] if isinstance(given, dict) else given:
        if isinstance(each, dict):
            yield from ((str(name), "" if value is None else str(value)) for name, value in each.items())
        else:
            name, _, value = str(each).partition("=")
            yield name, value


def mentions(text: str, name: str) -> bool:
    """Whether a script refers to a variable."""
    return re.search(rf"\$\{{?{name}\b", text) is not None


def snake(key: str) -> str:
    """A key of Dagu's in its newer spelling: timeoutSec is timeout_sec."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", key).lower()
