"""Words for news: a pure function from facts to a message. Whatever fact is missing, its line is left out.

Facts of `News.facts`, all JSON values, all optional. Moments are microseconds or ISO texts, spans are
microseconds (whole numbers) or seconds (floats):

    title, owner, runbook, tags     the job's, as people wrote them; `zone` its time zone
    run, step, status, exit_code    what ended how; `error` in words, `tail` the last output, `attempt` the last
    scheduled_at, started_at, ended_at, took
    failures, since                 how many in a row, and the moment of the first
    file, errors                    a broken configuration: where and what
    channel, attempts               a delivery that was given up
    custom_title, custom_body       templates of the rule, over `job`, `run` and `news`
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

from runner.core.run import News, NewsKind
from runner.duration import say_duration
from runner.moment import SECOND
from runner.notify.base import Message
from runner.notify.facts import Facts

Level = Literal["info", "success", "warning", "failure"]
Render = Callable[[str, Mapping[str, Any]], str]
"""Renders a template of a rule with a context: `runner.expressions.render_message`."""

LEVELS: Mapping[NewsKind, Level] = {
    "failure": "failure",
    "reminder": "failure",
    "recovery": "success",
    "late": "warning",
    "success": "success",
    "config": "failure",
    "delivery": "failure",
    "test": "info",
}

_ENDED = {
    "failed": "failed",
    "timed_out": "timed out",
    "cancelled": "was cancelled",
    "interrupted": "was interrupted",
    "succeeded": "succeeded",
}
_NAMES: Mapping[NewsKind, tuple[str, str]] = {
    "failure": ("failure", "failures"),
    "reminder": ("reminder", "reminders"),
    "recovery": ("recovery", "recoveries"),
    "late": ("late job", "late jobs"),
    "success": ("success", "successes"),
    "config": ("broken file", "broken files"),
    "delivery": ("lost message", "lost messages"),
    "test": ("test", "tests"),
}
_TAIL_LINES = 20
_TAIL_CHARS = 2_000
_IN_FULL = 3
_LISTED = 30
# Terminal sequences (colours, cursor, titles) and control characters say nothing in a mail.
_ESCAPES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-Z\\-_])")
_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")


def message(news: News, *, zone: str = "UTC", render: Render | None = None) -> Message:
    """What people read about `news`, with times in the job's zone, else in `zone`.

    `render` fills the rule's own title and body; one that cannot be rendered is replaced by the house's own,
    with the reason below it: a mistake in a template never costs an alert.
    """
    facts = Facts(news, zone)
    title, body, trouble = _title(facts), _body(facts), ""
    if render is not None:
        title, trouble = _custom(facts, "custom_title", title, render)
        body, more = _custom(facts, "custom_body", body, render)
        trouble = trouble or more
    if trouble:
        body = f"{body}\n\n{trouble}"
    attachment = facts.text("attach")
    level = LEVELS[news.kind]
    return Message(" ".join(title.split()), body.strip("\n"), level, attachment or None)


def digest(several: Sequence[News], *, zone: str = "UTC", render: Render | None = None) -> Message:
    """One message for many news, oldest first: a few in full, more as a list with the count."""
    if len(several) == 1:
        return message(several[0], zone=zone, render=render)
    ordered = sorted(several, key=lambda news: news.at)
    singles = [message(news, zone=zone, render=render) for news in ordered]
    level = next(level for level in _WORST if any(single.level == level for single in singles))
    if len(singles) <= _IN_FULL:
        body = "\n\n".join(f"{single.title}\n{single.body}" for single in singles)
        return Message(_digest_title(ordered, zone), body, level)
    lines = []
    for news, single in zip(ordered[:_LISTED], singles, strict=False):
        facts = Facts(news, zone)
        lines.append(f"{facts.clock(news.at)}  {single.title}")
        if run := facts.text("run"):
            lines.append(f"    runner logs {run}")
    if len(ordered) > _LISTED:
        rest = Counter(news.job.id for news in ordered[_LISTED:])
        lines.append(f"and {len(ordered) - _LISTED} more, of {_listed(rest)}")
    return Message(_digest_title(ordered, zone), "\n".join(lines), level)


_WORST: tuple[Level, ...] = ("failure", "warning", "success", "info")


def _digest_title(several: Sequence[News], zone: str) -> str:
    counts = Counter(news.kind for news in several)
    words = ", ".join(f"{count} {_NAMES[kind][count > 1]}" for kind, count in counts.most_common())
    jobs = {news.job for news in several}
    if len(jobs) == 1:
        return (
            f"{Facts(several[0], zone).title}: {words} since {Facts(several[0], zone).clock(several[0].at)}"
        )
    return f"{words} ({len(jobs)} jobs)"


def _listed(counts: Counter[str]) -> str:
    named = [f"{id} ({count})" if count > 1 else id for id, count in counts.most_common(10)]
    return ", ".join(named) + (f" and {len(counts) - 10} other jobs" if len(counts) > 10 else "")


def _custom(facts: Facts, key: str, otherwise: str, render: Render) -> tuple[str, str]:
    template = facts.text(key)
    if not template:
        return otherwise, ""
    try:
        return render(template, facts.context()) or otherwise, ""
    except Exception as error:
        return otherwise, f"(this alert's own {key.removeprefix('custom_')} could not be rendered: {error})"


# ── titles ──────────────────────────────────────────────────────────────────────────────────


def _title(facts: Facts) -> str:
    return _TITLES[facts.news.kind](facts)


def _failed(facts: Facts) -> str:
    ended = _ENDED.get(facts.text("status"), "failed")
    step = facts.text("step")
    code = facts.whole("exit_code")
    where = f" in {step}" if step else ""
    how = f" (exit code {code})" if code and ended == "failed" else ""
    return f"{facts.title} {ended}{where}{how}"


def _still(facts: Facts) -> str:
    if facts.text("what") == "late":
        return f"{facts.title} is still late"
    failures = facts.whole("failures")
    count = f" ({failures} in a row)" if failures and failures > 1 else ""
    return f"{facts.title} is still failing{count}"


def _recovered(facts: Facts) -> str:
    what = facts.text("what")
    if what == "config":
        return f"{facts.text('file') or 'the jobs file'} is good again"
    if what == "late":
        return f"{facts.title} is on time again"
    failures = facts.whole("failures")
    after = f" after {failures} {_NAMES['failure'][failures > 1]}" if failures else ""
    return f"{facts.title} recovered{after}"


def _late(facts: Facts) -> str:
    error = _first_line(facts.text("error"))
    return f"{facts.title} is late" + (f": {error}" if error else "")


def _config(facts: Facts) -> str:
    count = len(facts.lines("errors"))
    return f"{facts.text('file') or 'the jobs file'} is broken" + (f" ({count} errors)" if count > 1 else "")


def _lost(facts: Facts) -> str:
    return f"an alert about {facts.title} did not reach {facts.text('channel') or 'its channel'}"


_TITLES: Mapping[NewsKind, Callable[[Facts], str]] = {
    "failure": _failed,
    "reminder": _still,
    "recovery": _recovered,
    "late": _late,
    "success": lambda facts: f"{facts.title} succeeded",
    "config": _config,
    "delivery": _lost,
    "test": lambda facts: facts.text("title") or "a test message from runner",
}


# ── bodies ──────────────────────────────────────────────────────────────────────────────────


def _body(facts: Facts) -> str:
    kind = facts.news.kind
    if kind == "test":
        return facts.text("error") or "Messages to this channel arrive. Nothing is wrong."
    if kind == "config":
        return _config_body(facts)
    if kind == "recovery" and facts.text("what") == "config":
        return "The file was read, and its schedule is live."
    lines = [*_what(facts), *_when(facts), *_since(facts)]
    if kind == "delivery":
        lines.append(f"Tried: {facts.whole('attempts') or 'many'} times; it will not be tried again")
    for label in ("owner", "runbook"):
        if value := facts.text(label):
            lines.append(f"{label.capitalize()}: {value}")
    if run := facts.text("run"):
        lines.append(f"Look further: runner logs {run}")
    tail = _tail(facts.text("tail"))
    if tail and kind not in ("recovery", "success"):
        lines += ["", "The last lines of output:", *tail]
    return "\n".join(lines)


def _what(facts: Facts) -> list[str]:
    id = facts.news.job.id
    lines = [f"Job: {facts.title}" + (f" ({id})" if facts.title != id else "")]
    if step := facts.text("step"):
        attempt = facts.whole("attempt")
        lines.append(f"Step: {step}" + (f", attempt {attempt}" if attempt else ""))
    if status := facts.text("status"):
        code = facts.whole("exit_code")
        lines.append(
            f"Result: {status.replace('_', ' ')}" + (f", exit code {code}" if code is not None else "")
        )
    if error := facts.text("error"):
        lines.append(f"Reason: {_clean(error)}")
    return lines


def _when(facts: Facts) -> list[str]:
    lines = []
    scheduled, started = facts.moment("scheduled_at"), facts.moment("started_at")
    if scheduled is not None:
        lines.append(f"Scheduled: {facts.when(scheduled)}")
    if started is not None:
        behind = started - scheduled if scheduled is not None else 0
        lines.append(
            f"Started: {facts.when(started)}" + (f", {say_duration(behind)} late" if behind >= SECOND else "")
        )
    if (took := facts.took) is not None:
        lines.append(f"Took: {say_duration(took)}")
    return lines


def _since(facts: Facts) -> list[str]:
    failures, since = facts.whole("failures"), facts.moment("since")
    if not failures or (failures == 1 and facts.news.kind == "failure"):
        return []
    began = f", since {facts.when(since)}" if since is not None else ""
    if facts.news.kind == "recovery":
        down = facts.news.at - since if since is not None else 0
        lasted = f", it lasted {say_duration(down)}" if down > 0 else ""
        return [f"Failures before: {failures}{began}{lasted}"]
    return [f"Failures in a row: {failures}{began}"]


def _config_body(facts: Facts) -> str:
    errors = facts.lines("errors") or [facts.text("error")]
    return "\n\n".join(
        [
            "The last good schedule goes on; the edit is not live.",
            *(_clean(error) for error in errors if error),
            "Check it with: runner validate" + (f" -f {file}" if (file := facts.text("file")) else ""),
        ]
    )


def _tail(text: str) -> list[str]:
    lines = _clean(text[-4 * _TAIL_CHARS :]).rstrip().split("\n")[-_TAIL_LINES:]
    while len(lines) > 1 and sum(map(len, lines)) > _TAIL_CHARS:
        lines.pop(0)
    return ["    " + line[-_TAIL_CHARS:] for line in lines] if any(line.strip() for line in lines) else []


def _clean(text: str) -> str:
    return _CONTROLS.sub("", _ESCAPES.sub("", text.replace("\r\n", "\n").replace("\r", "\n")))


def _first_line(text: str) -> str:
    return _clean(text).strip().split("\n")[0]
