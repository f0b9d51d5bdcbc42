"""Workflows of Dagu as the text of a jobs file: each key in our words, or a comment that says why not.

Dagu writes its keys in two spellings (`timeoutSec`, `timeout_sec`) and has renamed some; all are read. Where a workflow
cannot do without what is not taken over (a container, a workflow within it), its job is not enabled, and says so.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import yaml

from runner.config import taken as taken_over
from runner.config.dagu_steps import MAIL, Graph, graph
from runner.config.dagu_words import Words, mentions, snake
from runner.config.taken import (
    NOT_UNDERSTOOD,
    Taken,
    comment,
    free_id,
    lines_of,
    literal,
    no_yaml,
    quoted,
    seconds,
    truth,
)
from runner.errors import RunnerError, TriggerError
from runner.triggers.cron.crontab import parse

_NEEDLESS = {
    "type",
    "log_dir",
    "log_output",
    "max_output_size",
    "restart_wait_sec",
    "run_config",
    "overlap_policy",
    "smtp",
    "error_mail",
    "info_mail",
}
"""What has no meaning here, or is told with another key."""
_WHY = {
    "queue": "name a group below `groups: {NAME: {max: N}}`, and `concurrency: {group: NAME}`",
    "max_active_steps": "a step that takes part in a `group` waits for its turn",
    "delay_sec": "see `jitter` of a schedule",
    "skip_if_successful": "a run by hand does not count for the schedule here",
    "otel": "see `heartbeat` and `notify`",
    "max_clean_up_time_sec": "see `stop_grace_period`",
    "worker_selector": "run it on the host it belongs to",
    "mail_on": MAIL,
}
_MISSED = {
    "container": "write the container's command: `docker run --rm IMAGE ...`",
    "ssh": "write the command: `ssh USER@HOST ...`",
    "step_types": "write what its steps do",
    "actions": "write what its steps do",
    "llm": "write the command that asks it",
    "harness": "write the command that asks it",
    "harnesses": "write the command that asks it",
    "tasks": "write the command that asks it",
    "s3": "write the command",
    "redis": "write the command",
}
"""What a workflow would miss."""
_DURATION = re.compile(r"(\d+[dhms]|\d+ms)+")


def read(files: Sequence[tuple[str, str]]) -> Taken:
    """The jobs of Dagu's files, given as (name, text); RunnerError where one is none."""
    taken = Taken()
    documents = [(name, data) for name, text in files for data in _documents(name, text)]
    names = {str(data.get("name") or name) for name, data in documents}
    for name, data in documents:
        try:
            _job(taken, name, data, names)
        except NOT_UNDERSTOOD as error:
            note = f"a part of it has a form that Dagu does not have ({error}), and it is left out"
            taken.notes.append((name, note))
    return taken


def _documents(name: str, text: str) -> Iterator[dict[str, Any]]:
    try:
        # Every scalar as the text it is: what it means is decided key by key.
        found = [each for each in yaml.load_all(text, Loader=yaml.BaseLoader) if each]
    except yaml.YAMLError as error:
        raise RunnerError(f"{name} is {no_yaml(error)}") from None
    if not found:
        raise RunnerError(f"{name} is empty", hint="a workflow of Dagu has `steps:`")
    for number, data in enumerate(found):
        if not isinstance(data, dict) or not isinstance(data.get("steps"), list | dict):
            raise RunnerError(f"{name} is no workflow of Dagu's", hint="such a file has `steps:`")
        # The first is the workflow, others are workflows that it calls.
        yield data if number == 0 or data.get("name") else {"name": f"{name}-{number + 1}", **data}


# ── one workflow ────────────────────────────────────────────────────────────────────────────


def _job(taken: Taken, file: str, data: Mapping[str, Any], names: set[str]) -> None:
    given = {snake(key): value for key, value in data.items()}
    name = str(given.pop("name", "") or file)
    id = free_id(name, taken.jobs)
    words = Words(given, taken.secrets)
    job: dict[str, Any] = {} if id == name else {"name": name}
    steps = graph(given, words, names)
    for key, value in given.items():
        if value in ("", None, [], {}):
            continue
        try:
            job |= _keys(key, value, words)
        except NOT_UNDERSTOOD:
            words.notes.append(f"`{key}` is not understood, and not taken over: {quoted(value)}")
    if "schedule" in given:
        job |= _when(given["schedule"], words)
    job |= _surroundings(words, steps, id)
    if words.missed:
        job["enabled"] = False
        words.notes.insert(0, "it is not enabled: what it would miss is named below")
    job |= steps.as_job(job)
    taken.jobs[id] = [*lines_of(job), *map(comment, words.notes)]
    taken.notes += [(name, note) for note in words.notes]


def _keys(key: str, value: Any, words: Words) -> dict[str, Any]:
    """Our keys for one of Dagu's."""
    match key:
        case "description":
            return {"description": literal(value)}
        case "tags" | "labels" | "group":
            return {"tags": [*words.tags(value)]}
        case "timeout_sec":
            return {"timeout": seconds(value)} if float(value) else {}
        case "hist_retention_days":
            return {"retention": {"age": f"{int(value)}d"}}
        case "max_active_runs":
            return _at_once(int(value))
        case "catchup_window":
            if not _DURATION.fullmatch(value):
                raise ValueError(value)
            return {"catchup": {"runs": "all", "window": value, "max": 10000}}
        case "dotenv":
            files = [value] if isinstance(value, str) else value
            return {"env_file": [f"{file}?" for file in files]}
        case "working_dir":
            return {"working_dir": literal(value)} if words.plain("working_dir", value) else {}
        case "retry_policy":
            words.missed.append("the retry of the whole workflow")
            words.notes.append("`retry_policy` of the workflow is not taken over: steps have `retry`")
        case "mail_on" if not any(map(truth, value.values())):
            pass
        case _ if key in _MISSED:
            words.miss(key, _MISSED[key])
        case _ if key not in _READ_ELSEWHERE and key not in _NEEDLESS:
            words.notes.append(f"`{key}` is not taken over" + (f": {_WHY[key]}" if key in _WHY else ""))
    return {}


_READ_ELSEWHERE = {
    "schedule",
    "steps",
    "handler_on",
    "env",
    "params",
    "secrets",
    "shell",
    "shell_args",
    "defaults",
    "preconditions",
    "precondition",
}


def _at_once(most: int) -> dict[str, Any]:
    if most == 1:
        return {}
    return {"concurrency": "allow" if most < 1 else {"overlap": "allow", "max": most}}


# ── when ────────────────────────────────────────────────────────────────────────────────────


def _when(given: Any, words: Words) -> dict[str, Any]:
    if isinstance(given, dict) and not set(given) & {"expression", "at", "kind"}:
        for key in sorted(set(given) - {"start"}):
            why = "see `timeout`" if key == "stop" else "see `concurrency: replace`"
            words.miss(f"schedule.{key}", why)
        given = given.get("start") or []
    entries = given if isinstance(given, list) else [given]
    found = [when for entry in entries if (when := _entry(entry, words)) is not None]
    return {"schedule": found[0] if len(found) == 1 else found} if found else {}


def _entry(given: Any, words: Words) -> str | dict[str, str] | None:
    if isinstance(given, dict) and given.get("at"):
        return {"at": given["at"]}
    text = str(given.get("expression", "") if isinstance(given, dict) else given).strip()
    zone = ""
    if found := re.match(r"(?:CRON_TZ|TZ)=(\S+)\s+(.*)", text):
        zone, text = found[1], found[2]
    when: dict[str, str] = {"cron": text}
    if every := re.fullmatch(r"@every\s+(\S+)", text):
        when = {"every": every[1]}
    else:
        try:
            parse(text)
        except TriggerError as error:
            words.missed.append(text)
            words.notes.append(f"its schedule {text!r} is not understood: {error.fact}")
            return None
    if zone:
        when["timezone"] = zone
    return text if when == {"cron": text} else when


# ── what surrounds its steps ────────────────────────────────────────────────────────────────


def _surroundings(words: Words, steps: Graph, id: str) -> dict[str, Any]:
    """Parameters, and the variables of its commands."""
    env = {name: f"${{{{ params.{name} }}}}" for name in words.params}
    env |= {name: f"${{{{ secrets.{name} }}}}" for name in words.secrets}
    env |= {name: literal(value) for name, value in words.env.items()}
    known = {"DAG_NAME": id, "DAG_RUN_ID": "${{ run.id }}"}
    env |= {name: value for name, value in known.items() if mentions(steps.text, name)}
    for name in sorted(set(re.findall(r"\$\{?(DAG_\w+)", steps.text)) - env.keys()):
        words.miss(f"${name}", "see `$RUNNER_STEP`, `$RUNNER_RUN_DIR` and the others in docs/commands.md")
    found: dict[str, Any] = {}
    if words.params:
        found["params"] = dict(words.params)
    if env:
        found["env"] = env
    return found


def as_yaml(taken: Taken, *, name: str) -> str:
    """The text of a jobs file that does the same."""
    head = [
        "Dagu starts nothing that was missed while it was down; here the latest is started (see `catchup`).",
        "A script ends at the first command that fails, whatever the release of Dagu did.",
    ]
    return taken_over.as_yaml(taken, name=name, head=head)
