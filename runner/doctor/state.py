"""The state directory: whose it is, who may read it, and whether it lies where a lock means something."""

from __future__ import annotations

import os
import pwd
import socket
import stat
from collections.abc import Iterator
from pathlib import Path

import psutil

from runner.amounts import few
from runner.doctor.case import Case
from runner.doctor.finding import Finding, note, ok, problem
from runner.service.leader import Leader

ABOUT = "state directory"
_REMOTE = ("nfs", "cifs", "smb", "9p", "fuse.sshfs", "glusterfs", "ceph", "lustre", "afs")


def directory(case: Case) -> Iterator[Finding]:
    state = case.place.state
    if not state.exists():
        yield from _absent(state)
        return
    if not state.is_dir():
        yield problem(ABOUT, f"{state} is no directory", "name another with RUNNER_STATE_DIR")
        return
    found = [*_owned(case), *_readable(state), *_shared(state)]
    yield from found or [ok(ABOUT, f"{state}, for {_name(state.stat().st_uid)} alone")]
    yield from _local(state)


def _absent(state: Path) -> Iterator[Finding]:
    above = next(each for each in state.parents if each.exists())
    if os.access(above, os.W_OK | os.X_OK):
        yield ok(ABOUT, f"{state} is not there yet: the first run makes it")
    else:
        yield problem(
            ABOUT,
            f"{state} is not there, and cannot be made: {above} may not be written by this user",
            "make it for the runner's user, or name another with RUNNER_STATE_DIR",
        )


def _owned(case: Case) -> Iterator[Finding]:
    state, me = case.place.state, os.geteuid()
    owner = state.stat().st_uid
    if foreign := case.place.foreign():
        yield note(ABOUT, foreign, f"look as that user too: sudo -u {_name(owner)} runner doctor")
    elif owner != me:
        yield problem(
            ABOUT,
            f"{state} belongs to {_name(owner)}, and this is {_name(me)}",
            "run as that user, or name another directory with RUNNER_STATE_DIR",
        )
    if os.statvfs(state).f_flag & os.ST_RDONLY:
        yield problem(
            ABOUT, f"{state} lies on a disk that takes no writes", "mount it anew; dmesg says why it is so"
        )
    try:
        strange = sorted(
            each.name for each in os.scandir(state) if each.stat(follow_symlinks=False).st_uid != owner
        )
    except OSError:
        return  # only its owner may read it: that is said above
    if strange:
        yield problem(
            ABOUT,
            f"in {state} not all belongs to {_name(owner)}: {few(strange)}; somebody else ran something there",
            f"chown -R {_name(owner)} {state}",
        )


def _readable(state: Path) -> Iterator[Finding]:
    mode = stat.S_IMODE(state.stat().st_mode)
    if mode & 0o077:
        yield note(
            ABOUT,
            f"others than its owner may look into {state} (mode {mode:04o}): output of jobs lies there",
            f"chmod 700 {state}; a start of the runner does so as well",
        )


def _local(state: Path) -> Iterator[Finding]:
    """A lock on a disk that several machines share is what that disk's server makes of it."""
    kind = _kind_of(state)
    if kind.startswith(_REMOTE):
        yield note(
            "network disk",
            f"{state} lies on one ({kind}): locks and writes are only as good as its server",
            "keep the state on a disk of this machine; several machines share a database (RUNNER_DATABASE_URL)",
        )


def _kind_of(path: Path) -> str:
    mounts = [each for each in psutil.disk_partitions(all=True) if path.is_relative_to(each.mountpoint)]
    # Of two at one place the later one covers the other.
    return max(reversed(mounts), key=lambda each: len(each.mountpoint)).fstype if mounts else ""


def _shared(state: Path) -> Iterator[Finding]:
    leader = Leader.read(state)
    if leader is not None and leader.host != socket.gethostname():
        yield note(
            ABOUT,
            f"{leader} led from {state}, and this machine is {socket.gethostname()}",
            "a state directory belongs to one machine; where it was only renamed, start the runner once",
        )


def _name(user: int) -> str:
    try:
        return pwd.getpwuid(user).pw_name
    except KeyError:
        return f"user {user}"
