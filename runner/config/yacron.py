"""A file of yacron or cronstable as the text of a jobs file: each key in our words, or a comment that says why not."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import yaml

from runner.config import taken as taken_over
from runner.config import yacron_reports
from runner.config.taken import (
    NOT_UNDERSTOOD,
    Taken,
    comment,
    flow,
    free_id,
    lines_of,
    literal,
    no_yaml,
    quoted,
    seconds,
    truth,
)
from runner.config.yacron_schedule import schedule
from runner.errors import RunnerError

_POLICIES = {"Allow": "allow", "Forbid": "skip", "Replace": "replace"}
_MISSED = {"skip": "none", "run-once": "latest", "run-all": "all"}
_SLA = {
    "maxTimeSinceSuccessSeconds": "success_every",
    "lateAfterSeconds": "start_within",
    "maxRuntimeSeconds": "max_duration",
}
_NEEDLESS = {"captureStdout", "captureStderr"}
"""Output of both streams is always kept here."""
_ELSEWHERE = {"concurrencyPolicy", "pool", "onMissed", "startingDeadlineSeconds"}
"""Keys of a job that are read together with others."""
_WHY = {
    "streamPrefix": "each line of the log names its job",
    "saveLimit": "see `retention`",
    "maxLineLength": "see `retention`",
    "statsd": "see `heartbeat` and `notify`",
    "group": "`user` alone says whose rights a command has",
    "web": "there is no network listener; see `runner status`",
    "logging": "see `runner serve --help`",
    "dags": "each is a job with `steps`, where `dependsOn` is called `needs`",
    "onLate": "see `notify: {on_late: CHANNEL}`",
    "poolSlots": "a run takes one place of its group",
    "resourceLimits": "see `limits`",
    "secrets": "see `secrets`, and `env` of the job",
    "cluster": "see docs/deploying.md: several runners on one database",
    "state": "there is always a database; see docs/deploying.md",
    "include": "import each of these files too, and name them in `include:`",
}


def read(text: str) -> Taken:
    """The jobs of a file of yacron's; RunnerError where it is none."""
    try:
        # As yacron does, which takes every scalar as the text it is.
        data = yaml.load(text, Loader=yaml.BaseLoader)
    except yaml.YAMLError as error:
        raise RunnerError(f"it is {no_yaml(error)}") from None
    if not isinstance(data, dict) or not isinstance(data.get("jobs", []), list):
        raise RunnerError("it is no file of yacron's", hint="such a file has `jobs:` with a list of jobs")
    taken = Taken()
    defaults = data.get("defaults") or {}
    if not isinstance(defaults, dict):
        raise RunnerError("its `defaults` are no mapping", hint="write `defaults: {KEY: VALUE}`")
    for key in data:
        if key == "pools":
            _pools(taken, data[key] or {})
        elif key not in ("jobs", "defaults"):
            taken.notes.append(("", _unknown(key)))
    for job in data.get("jobs", []):
        _job(taken, _merged(defaults, job) if isinstance(job, dict) else {})
    return taken


def _pools(taken: Taken, given: Any) -> None:
    try:
        found = {name: int(pool["slots"]) for name, pool in dict(given).items()}
    except NOT_UNDERSTOOD:
        taken.notes.append(("", f"`pools` is not understood, and not taken over: {quoted(given)}"))
        return
    taken.groups = found
    taken.notes += [("", _unknown(each)) for pool in given.values() for each in pool if each != "slots"]


def _merged(under: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """As yacron merges its defaults: mappings key by key, lists one after the other."""
    merged = {**under, **over}
    for key in under.keys() & over.keys():
        mine, theirs = over[key], under[key]
        if isinstance(mine, dict) and isinstance(theirs, dict):
            merged[key] = _merged(theirs, mine)
        elif isinstance(mine, list) and isinstance(theirs, list):
            merged[key] = [*theirs, *mine]
    return merged


def _unknown(key: str) -> str:
    return f"`{key}` is not taken over" + (f": {_WHY[key]}" if key in _WHY else "")


# ── one job ─────────────────────────────────────────────────────────────────────────────────


def _job(taken: Taken, job: dict[str, Any]) -> None:
    name = str(job.pop("name", ""))
    notes: list[str] = []
    command, when = job.pop("command", None), schedule(job.pop("schedule", None), taken, notes)
    if not name or not command:
        taken.notes.append((name or "a job", "it has no name or no command, and is left out"))
        return
    if when is None:
        taken.notes += [(name, f"{note}; the job is left out") for note in notes]
        return
    id = free_id(name, taken.jobs)
    lines = [] if id == name else [f"name: {quoted(name)}"]
    lines.append(f"schedule: {flow(when) if isinstance(when, dict) else quoted(when)}")
    lines += [*_zone(job), *_work(command, job.pop("shell", "/bin/sh"))]
    for key, value in job.items():
        if key in _ELSEWHERE:
            continue
        try:
            lines += _line(key, value, notes)
        except NOT_UNDERSTOOD:
            notes.append(f"`{key}` is not understood, and not taken over: {quoted(value)}")
    lines += [_concurrency(job, taken, notes), *_catchup(job, notes)]
    lines += yacron_reports.notify(job, taken, notes)
    lines += map(comment, notes)
    taken.jobs[id] = lines
    taken.notes += [(name, note) for note in notes]


def _zone(job: dict[str, Any]) -> Iterator[str]:
    zone, utc = job.pop("timezone", None), job.pop("utc", "true")
    if zone:
        yield f"timezone: {quoted(zone)}"
    elif truth(utc):
        yield "timezone: UTC"


def _work(command: Any, shell: str) -> Iterator[str]:
    if isinstance(command, list):
        yield f"command: {quoted([literal(each) for each in command])}"
        return
    yield f"shell: {quoted(shell)}"
    yield from lines_of({"run": literal(command)})


def _line(key: str, value: Any, notes: list[str]) -> Iterator[str]:
    if value in ("", None) or key in _NEEDLESS:
        return
    match key:
        case "environment":
            yield f"env: {quoted({each['key']: literal(each['value']) for each in value})}"
        case "env_file" | "user":
            yield f"{key}: {quoted(value)}"
        case "workingDirectory":
            yield f"working_dir: {quoted(value)}"
        case "queuePriority":
            yield f"priority: {int(value)}"
        case "sla":
            bounds = {_SLA[each]: seconds(much) for each, much in value.items() if much}
            if bounds:
                yield f"sla: {flow(bounds)}"
        case "executionTimeout":
            yield f"timeout: {seconds(value)}"
        case "killTimeout":
            yield f"stop_grace_period: {seconds(value)}"
        case "enabled":
            yield f"enabled: {'true' if truth(value) else 'false'}"
        case "onFailure":
            yield from _retry(value.get("retry") or {}, notes)
            notes += [_unknown(each) for each in value if each not in ("retry", "report")]
        case "onPermanentFailure" | "onSuccess":
            notes += [_unknown(each) for each in value if each != "report"]
        case "failsWhen":
            yield from _fails(value, notes)
        case _:
            notes.append(_unknown(key))


def _concurrency(job: Mapping[str, Any], taken: Taken, notes: list[str]) -> str:
    overlap = _POLICIES.get(str(job.get("concurrencyPolicy")), "allow")
    pool = str(job.get("pool") or "")
    if pool in taken.groups:
        return f"concurrency: {flow({'overlap': overlap, 'group': pool})}"
    if pool:
        notes.append(f"its pool {quoted(pool)} is not among `pools`: nothing bounds how many run at once")
    return f"concurrency: {overlap}"


def _catchup(job: Mapping[str, Any], notes: list[str]) -> Iterator[str]:
    """What was missed is lost unless it says otherwise, and then however long ago it was."""
    runs = _MISSED.get(str(job.get("onMissed")))
    if runs is None or runs == "none":
        yield from () if runs is None else ("catchup: none",)
        return
    window = "365d"
    if given := job.get("startingDeadlineSeconds"):
        try:
            window = seconds(given)
        except NOT_UNDERSTOOD:
            notes.append(f"`startingDeadlineSeconds` is not understood, and not taken over: {quoted(given)}")
    yield f"catchup: {flow({'runs': runs, 'window': window} | ({'max': 10000} if runs == 'all' else {}))}"


def _retry(given: Mapping[str, Any], notes: list[str]) -> Iterator[str]:
    most = int(given.get("maximumRetries", 0))
    if most < 0:
        most = 1000
        notes.append("yacron tried it again for ever; here it is 1000 times")
    if most:
        delay, longest = seconds(given.get("initialDelay", 1)), seconds(given.get("maximumDelay", 300))
        backoff = float(given.get("backoffMultiplier", 2))
        yield f"retry: {{max: {most}, delay: {delay}, backoff: {backoff:g}, max_delay: {longest}}}"


def _fails(given: Mapping[str, Any], notes: list[str]) -> Iterator[str]:
    if not truth(given.get("nonzeroReturn", "true")):
        yield f"success: {{exit_codes: {list(range(256))}}}"
    notes += [
        f"`failsWhen: {{{key}: true}}` is not taken over: the exit code decides; see `success`"
        for key in ("producesStdout", "producesStderr", "always")
        if truth(given.get(key, "false"))
    ]


def as_yaml(taken: Taken, *, name: str) -> str:
    """The text of a jobs file that does the same."""
    head = [
        "yacron counts output on stderr as a failure unless told otherwise; here the exit code decides.",
        "It starts nothing that was missed while it was down; here the latest is started (see `catchup`).",
    ]
    return taken_over.as_yaml(taken, name=name, head=head)
