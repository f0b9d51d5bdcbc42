"""The jobs file: whether it loads, what is doubtful in it, and whether the runner at work follows it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from runner import config
from runner.amounts import count
from runner.config import Config
from runner.core.reload import changes
from runner.doctor.case import Case
from runner.doctor.finding import Finding, note, ok, problem
from runner.errors import ConfigError, Problem
from runner.machine_zone import machine_zone
from runner.moment import SECOND, parse_iso
from runner.notify.targets import check
from runner.service.reload import Difference
from runner.views.when import away

ABOUT = "jobs file"
_SHOWN = 5
_ADDRESS = re.compile(r"""(?<=://)[^\s"',\]}]+""")
_TAKEN_AFTER = 10 * SECOND
"""An edit is live within a second: by then nobody waits for it any more."""


def loads(case: Case) -> Iterator[Finding]:
    place = case.place
    missing = [each for each in place.files or (place.file,) if not each.exists()]
    if missing:
        yield problem(
            ABOUT,
            f"there is no {missing[0]}"
            + ("; the runner at work goes on with what it held" if case.alive else ""),
            "put it back, or give another with -f FILE; runner init writes a first one",
        )
        return
    try:
        case.config = loaded = config.load(place.files, address=check, now=case.now)
    except ConfigError as error:
        goes_on = ": the last good one goes on" if case.alive is not None else ""
        since = f", refused {away(refused, case.now)}" if (refused := _refused(case)) is not None else ""
        mistakes = count(len(error.problems), "mistake")
        yield problem(
            ABOUT,
            f"{place.file} is broken, {mistakes}{since}{goes_on}",
            "mend it; runner validate says whether it is good",
            _hidden(str(error) if error.problems else error.fact),
        )
        return
    yield from _good(case, loaded)
    yield from _doubts(loaded)


def _hidden(text: str) -> str:
    """Lines of the file with addresses in them: what is shown here is shown to others, and those hold passwords."""
    return _ADDRESS.sub(lambda found: "*" * len(found[0]), text)


def _good(case: Case, loaded: Config) -> Iterator[Finding]:
    refused = _refused(case)
    if refused is not None and case.alive is not None:
        yield problem(
            ABOUT,
            f"{case.place.file} was refused by the runner at work {away(refused, case.now)}; the last good one goes on",
            "runner reload tries again, and says what is wrong",
            _hidden(str((case.alive.status.get("config") or {}).get("error", ""))),
        )
        return
    jobs, scheduled = loaded.jobs, [spec for spec in loaded.jobs if spec.trigger is not None and spec.enabled]
    parts = [count(len(jobs), "job"), f"{len(scheduled):,} scheduled"]
    if off := [spec.id for spec in jobs if not spec.enabled]:
        parts.append(f"{len(off)} with enabled: false")
    yield ok(ABOUT, f"{case.place.file} is good: {', '.join(parts)}")


def _doubts(loaded: Config) -> Iterator[Finding]:
    doubts = [each for each in loaded.warnings if each.level == "warning"]
    for each in doubts[:_SHOWN]:
        yield note(ABOUT, f"{_place(each)}: {each.message}", each.help)
    if len(doubts) > _SHOWN:
        yield note(ABOUT, f"{count(len(doubts) - _SHOWN, 'more warning')}", "runner validate shows all")


def _place(found: Problem) -> str:
    return f"{Path(found.file).name}:{found.line}" if found.line else Path(found.file).name


def _refused(case: Case) -> int | None:
    """Since when the runner at work refuses the file; None where it does not."""
    said = (case.alive.status.get("config") or {}) if case.alive is not None else {}
    if said.get("ok", True):
        return None
    try:
        return parse_iso(str(said.get("since")))
    except ValueError:
        return case.now


def is_followed(case: Case) -> Iterator[Finding]:
    """Whether the runner at work runs what the file says. It watches the file; on some disks nobody can."""
    if case.config is None or case.stored is None or not case.stored.current or case.alive is None:
        return
    if _refused(case) is not None or not case.alive.status.get("leading") or _edited_just_now(case):
        return
    known = {job.key: job for job in case.stored.jobs}
    wanted = case.config.jobs
    if difference := Difference.of(changes(known, wanted), len(wanted)):
        yield note(
            ABOUT,
            f"the runner at work does not follow the file as it is now: {difference}",
            "runner plan --against running shows what differs, runner reload has it read again; a job without "
            f"`timezone` differs where the runner's zone is not this shell's ({machine_zone()[0]})",
        )


def _edited_just_now(case: Case) -> bool:
    assert case.config is not None
    newest = max((path.stat().st_mtime for path in case.config.files if path.exists()), default=0.0)
    return case.now - int(newest * SECOND) < _TAKEN_AFTER
