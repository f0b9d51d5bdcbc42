"""Names of jobs in other jobs, and the files they need: checked once all jobs are known."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from pathlib import Path

from runner.config.diagnose import Trouble, did_you_mean
from runner.config.node import At
from runner.config.rings import first_ring
from runner.spec import JobSpec

Where = Callable[[JobSpec, str], At]
"""The place of a job's key in the file."""


def check(
    specs: Sequence[JobSpec],
    home: Path,
    common: Iterable[str],
    where: Where,
    trouble: Trouble,
    unread: Collection[str] = (),
) -> None:
    """Note jobs that are named and are not there, jobs that start each other for ever, env files that are missing.

    `common` are the env files of the files themselves, which were looked for where they are named. `unread` are the
    ids of definitions with mistakes: nobody knows what jobs those make.
    """
    linked = [spec for spec in specs if spec.after or spec.only_after is not None]
    if linked:
        ids = {spec.id for spec in specs}
        for spec in linked:
            _check_names(spec, ids, unread, where, trouble)
        _check_rings(linked, where, trouble)
    _check_env_files(specs, home, set(common), where, trouble)


def _check_names(
    spec: JobSpec, ids: set[str], unread: Collection[str], where: Where, trouble: Trouble
) -> None:
    named = [("after", each.job) for each in spec.after]
    if spec.only_after is not None:
        named.append(("only_after", spec.only_after.job))
    for key, job in named:
        if job.partition("[")[0] in unread:
            continue
        if job not in ids:
            trouble.add("unknown-job", f"there is no job {job!r}", where(spec, key),
                        help=_help(job, ids), key=spec.id)  # fmt: skip
        elif key == "only_after" and job == spec.id:
            trouble.add("cycle", f"the job {job!r} waits for itself", where(spec, key),
                        help="name another job", key=spec.id)  # fmt: skip


def _help(job: str, ids: Iterable[str]) -> str:
    instances = sorted(id for id in ids if id.startswith(f"{job}["))
    if instances:
        return f"its matrix makes several; name one: {', '.join(instances[:5])}"
    return did_you_mean(job, ids)


def _check_rings(specs: Iterable[JobSpec], where: Where, trouble: Trouble) -> None:
    follows = {spec.id: [each.job for each in spec.after] for spec in specs}
    ring = first_ring(follows)
    if ring:
        spec = next(each for each in specs if each.id == ring[0])
        shown = ring if len(ring) <= 10 else [*ring[:5], "...", *ring[-4:]]
        trouble.add("cycle", f"jobs start each other for ever: {' -> '.join(shown)}", where(spec, "after"),
                    help="take one `after` out")  # fmt: skip


def _check_env_files(
    specs: Iterable[JobSpec], home: Path, seen: set[str], where: Where, trouble: Trouble
) -> None:
    for spec in specs:
        for name in spec.env_files:
            if name in seen:
                continue
            seen.add(name)
            if not name.endswith("?") and not (home / name).is_file():
                trouble.add("file", f"there is no env file {name}", where(spec, "env_file"),
                            help=f"write `{name}?` where it may be missing")  # fmt: skip
