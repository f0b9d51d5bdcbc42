"""Looking secrets up: in the environment, in a file, or by a command, at the moment they are used."""

from __future__ import annotations

import os
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from runner.errors import SecretError
from runner.expressions import render
from runner.secrets.masker import Masker

Source = Mapping[str, Any]
"""Exactly one of `{env: NAME}`, `{file: PATH}`, `{command: [argv]}`."""

MOST = 64 * 1024
"""Bytes of one secret."""
PATIENCE = 30.0
"""Seconds a command has."""


class Secrets:
    """The declared secrets. Values are looked up for each use and kept nowhere but in the masker.

    Files are relative to `base`; commands run there, with `environ`.
    """

    def __init__(
        self, sources: Mapping[str, Source], base: Path, environ: Mapping[str, str] = os.environ
    ) -> None:
        self._sources = dict(sources)
        self._base = base
        self._environ = environ
        self._masker = Masker()
        self._stamps: dict[Path, tuple[int, int]] = {}
        self._lock = threading.Lock()

    def __repr__(self) -> str:
        return f"<Secrets {', '.join(self._sources)}>"

    @property
    def names(self) -> frozenset[str]:
        """The declared names."""
        return frozenset(self._sources)

    def replace(self, sources: Mapping[str, Source]) -> None:
        """Use other declarations from now on; what was hidden stays hidden."""
        self._sources = dict(sources)

    def get(self, name: str) -> str:
        """The value now. Raises SecretError where it is not declared or cannot be looked up."""
        source = self._sources.get(name)
        if source is None:
            raise self._unknown(name)
        value = self._looked_up(name, source)
        self._masker.add(value)
        return value

    def view(self) -> View:
        """What `secrets` is in an expression: a mapping that looks each name up once, and knows which were used."""
        return View(self)

    def render(self, text: str, context: Mapping[str, Any] | None = None) -> str:
        """A text with its `${{ secrets.NAME }}` filled in. Raises SecretError and ExpressionError."""
        return str(render(text, {**(context or {}), "secrets": self.view()}))

    def feeding_variables(self) -> set[str]:
        """The environment variables that hold secrets: commands do not inherit them."""
        return {str(source["env"]) for source in self._sources.values() if "env" in source}

    def masker(self) -> Masker:
        """The masker of this house. It knows whatever was looked up, and what environment and files hold now."""
        with self._lock:
            for name, source in self._sources.items():
                if "command" not in source and self._changed(source):
                    try:
                        self._masker.add(self._looked_up(name, source))
                    except SecretError:
                        continue  # said to whoever uses it
        return self._masker

    def mask(self, text: str) -> str:
        """The text with every known value replaced."""
        return self.masker().text(text)

    def problems(self) -> list[SecretError]:
        """What would be missing if every secret were used now; commands are looked for, not run."""
        found = []
        for name, source in self._sources.items():
            try:
                if "command" in source:
                    self._program(name, source["command"])
                else:
                    self._looked_up(name, source)
            except SecretError as error:
                found.append(error)
        return found

    def _unknown(self, name: str) -> SecretError:
        near = get_close_matches(name, self._sources, 1)
        known = ", ".join(sorted(self._sources)) or "none is declared"
        hint = f"did you mean {near[0]}?" if near else f"declared under secrets: {known}"
        return SecretError(f"there is no secret {name}", hint=hint)

    def _changed(self, source: Source) -> bool:
        """Whether a file is another one than when the masker last read it; the environment always is looked at."""
        if "file" not in source:
            return True
        path = self._path(source["file"])
        try:
            status = path.stat()
        except OSError:
            return False
        stamp = (status.st_mtime_ns, status.st_size)
        changed = self._stamps.get(path) != stamp
        self._stamps[path] = stamp
        return changed

    def _looked_up(self, name: str, source: Source) -> str:
        place = f"secrets.{name}"
        ways: dict[str, Callable[[str, Any], str]] = {
            "env": self._from_environment,
            "file": self._from_file,
            "command": self._from_command,
        }
        way = next((key for key in ways if source.get(key) is not None), None)
        if way is None:
            raise SecretError(
                "it says nowhere to look",
                place=place,
                hint="write {env: NAME}, {file: PATH} or {command: [...]}",
            )
        value = ways[way](name, source[way])
        if not value:
            raise SecretError("it is empty", place=place, hint=f"look at {way}: {source[way]}")
        if "\0" in value:
            raise SecretError("it holds a NUL character", place=place, hint="secrets are text")
        return value

    def _from_environment(self, name: str, variable: str) -> str:
        value = self._environ.get(variable)
        if value is None:
            raise SecretError(
                f"the environment has no {variable}",
                place=f"secrets.{name}",
                hint="set it before the runner starts, or use {file: PATH} or {command: [...]}",
            )
        return value

    def _from_file(self, name: str, file: str) -> str:
        path = self._path(file)
        try:
            with path.open("rb") as stream:
                data = stream.read(MOST + 1)
        except OSError as error:
            raise SecretError(
                f"{path} cannot be read: {(error.strerror or type(error).__name__).lower()}",
                place=f"secrets.{name}",
                hint="a relative path begins beside the configuration",
            ) from None
        return self._text(name, data, str(path))

    def _from_command(self, name: str, argv: Sequence[str]) -> str:
        program = self._program(name, argv)
        place = f"secrets.{name}"
        try:
            done = subprocess.run(
                [program, *argv[1:]],
                cwd=self._base,
                env=dict(self._environ),
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=PATIENCE,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise SecretError(
                f"{argv[0]} did not answer within {PATIENCE:.0f}s",
                place=place,
                hint="it must not ask for input",
            ) from None
        except OSError as error:
            raise SecretError(
                f"{argv[0]} cannot be run: {(error.strerror or '').lower()}", place=place
            ) from None
        if done.returncode:
            said = done.stderr.decode("utf-8", "replace").strip().splitlines()
            reason = f": {self._masker.text(said[-1])[:200]}" if said else ""
            raise SecretError(
                f"{argv[0]} ended with exit code {done.returncode}{reason}",
                place=place,
                hint="run it by hand",
            )
        return self._text(name, done.stdout, argv[0])

    def _program(self, name: str, argv: Sequence[str]) -> str:
        if isinstance(argv, str) or not argv:
            raise SecretError(
                "a command is a list of arguments",
                place=f"secrets.{name}",
                hint="write command: [pass, show, db]",
            )
        if "/" in argv[0]:
            path = self._path(argv[0])
            if os.access(path, os.X_OK):
                return str(path)
        elif found := shutil.which(argv[0], path=self._environ.get("PATH")):
            return found
        raise SecretError(
            f"there is no program {argv[0]}", place=f"secrets.{name}", hint="write its full path, or set PATH"
        )

    def _path(self, file: str) -> Path:
        return self._base / Path(file).expanduser()

    def _text(self, name: str, data: bytes, where: str) -> str:
        """The text without the newline that editors and `echo` put at its end."""
        if len(data) > MOST:
            raise SecretError(f"{where} gives more than {MOST // 1024} KiB", place=f"secrets.{name}")
        try:
            text = data.decode()
        except UnicodeDecodeError:
            raise SecretError(
                f"{where} gives no UTF-8 text", place=f"secrets.{name}", hint="encode it: base64 < FILE"
            ) from None
        return text.removesuffix("\n").removesuffix("\r")


class View(Mapping[str, str]):
    """Secrets by name, looked up when they are read, once for each view. It never shows a value by itself."""

    def __init__(self, secrets: Secrets) -> None:
        self._secrets = secrets
        self.used: dict[str, str] = {}

    def __getitem__(self, name: str) -> str:
        value = self.used.get(name)
        if value is None:
            if name not in self._secrets.names:
                raise KeyError(name)
            value = self.used[name] = self._secrets.get(name)
        return value

    def __contains__(self, name: object) -> bool:
        return name in self._secrets.names

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(self._secrets.names))

    def __len__(self) -> int:
        return len(self._secrets.names)

    def __repr__(self) -> str:
        return f"<secrets {', '.join(self)}>"
