"""Commands of another user: only root may, and the files both need stand where both may reach them."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import tempfile
from pathlib import Path

from runner.errors import ExecutorError


class Other:
    """The user a command runs as, where that is not the runner's own."""

    def __init__(self, entry: pwd.struct_passwd, program: str) -> None:
        self._entry = entry
        self._program = program

    @classmethod
    def of(cls, name: str | None) -> Other | None:
        """None where it is the runner's own user. ExecutorError where there is no such user or we may not."""
        if name is None:
            return None
        try:
            entry = pwd.getpwuid(int(name)) if name.isdigit() else pwd.getpwnam(name)
        except KeyError:
            raise ExecutorError(f"there is no user {name} on this machine") from None
        if entry.pw_uid == os.geteuid():
            return None
        if os.geteuid() != 0:
            raise ExecutorError(
                f"only root may run a command as {name}", hint="start the runner as root, or leave user away"
            )
        program = shutil.which("setpriv")
        if program is None:
            raise ExecutorError("there is no setpriv on this machine", hint="install util-linux")
        return cls(entry, program)

    def wrap(self, argv: tuple[str, ...]) -> tuple[str, ...]:
        ids = f"--reuid={self._entry.pw_uid}", f"--regid={self._entry.pw_gid}", "--init-groups"
        return (self._program, *ids, "--", *argv)

    @property
    def environment(self) -> dict[str, str]:
        """What a login would set."""
        entry = self._entry
        return {
            "HOME": entry.pw_dir,
            "USER": entry.pw_name,
            "LOGNAME": entry.pw_name,
            "SHELL": entry.pw_shell,
        }

    def directory(self, name: str) -> str:
        """A private directory of the user's, outside the runner's own, which only the runner may enter."""
        path = self.shared(name)
        with contextlib.suppress(FileExistsError):
            os.mkdir(path, 0o700)
            os.chown(path, self._entry.pw_uid, self._entry.pw_gid)
        status = os.lstat(path)
        if status.st_uid != self._entry.pw_uid or not os.path.isdir(path) or os.path.islink(path):
            raise ExecutorError(f"{path} belongs to somebody else")
        return path

    def own(self, path: str) -> None:
        os.chown(path, self._entry.pw_uid, self._entry.pw_gid)

    @staticmethod
    def shared(name: str) -> str:
        """Where that directory stands."""
        return str(Path(tempfile.gettempdir()) / f"runner-{name}")
