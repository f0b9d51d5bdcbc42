"""Words for news: a pure function from facts to a message. Whatever fact is missing, its line is left out.

Facts of `News.facts`, all JSON values, all optional. Moments are ISO texts (or microseconds), spans are seconds
as floats (or microseconds as whole numbers):

    title, owner, runbook, tags     the job's, as people wrote them; `zone` its time zone
    run, step, status, exit_code    what ended how, one of `steps`; `reason` in a word of the machine,
                                    `error` in words, `tail` the last output, `attempt` the last
    scheduled_at, started_at, ended_at, took
    failures, since                 how many in a row, and the moment of the first
    late                            which promise of the `sla` was broken
    file, error, good               a configuration that is broken, or good again
    channel, kind, error            a delivery that was given up, and what it was about
    title_template, body_template   the rule's own words, over `job`, `run`, `news` and `params`
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

from runner.core.run import News, NewsKind
from runner.duration import say_duration
from runner.expressions import has_expression, render_message
from runner.expressions import render as render_expressions
from runner.moment import SECOND
from runner.notify.base import Message
from runner.notify.facts import Facts

Level = Literal["info", "success", "warning", "failure"]
Render = Callable[[str, Mapping[str, Any]], str]
"""Renders a text of a rule with a context."""

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


def rendered(text: str, context: Mapping[str, Any]) -> str:
    """A rule's own text: `${{ }}` as everywhere in the jobs file, else an ordinary template with `{{ }}`."""
    if has_expression(text):
        value = render_expressions(text, context)
        return value if isinstance(value, str) else str(value)
    return render_message(text, context)


def message(news: News, *, zone: str = "UTC", render: Render = rendered) -> Message:
    """What people read about `news`, with times in the job's zone, else in `zone`.

    `render` fills the rule's own title and body; one that cannot be rendered is replaced by the house's own,
    with the reason below it: a mistake in a template never costs an alert.
    """
    facts = Facts(news, zone)
    title, trouble = _custom(facts, "title", _title(facts), render)
    body, more = _custom(facts, "body", _body(facts), render)
    if trouble or more:
        body = f"{body}\n\n{trouble or more}"
    return Message(" ".join(title.split()), body.strip("\n"), _level(news))


def _level(news: News) -> Level:
    good_again = news.kind == "config" and news.facts.get("good") is True
    return "success" if good_again else LEVELS[news.kind]


def digest(several: Sequence[News], *, zone: str = "UTC", render: Render = rendered) -> Message:
    """One message for many news, oldest first: a few in full, more as a list with the count."""
    if len(several) == 1:
        return message(several[0], zone=zone, render=render)
    ordered = sorted(several, key=lambda news: news.at)
    levels = {_level(news) for news in ordered}
    level = next(level for level in _WORST if level in levels)
    singles = [message(news, zone=zone, render=render) for news in ordered[:_LISTED]]
    if len(ordered) <= _IN_FULL:
        body = "\n\n".join(f"{single.title}\n{single.body}" for single in singles)
        return Message(_digest_title(ordered, zone), body, level)
    lines = []
    for news, single in zip(ordered, singles, strict=False):
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
    template = facts.text(f"{key}_template")
    if not template:
        return otherwise, ""
    try:
        return _clean(render(template, facts.context())) or otherwise, ""
    except Exception as error:
        return otherwise, f"(this alert's own {key} could not be rendered: {error})"


# ── titles ──────────────────────────────────────────────────────────────────────────────────


def _title(facts: Facts) -> str:
    return _TITLES[facts.news.kind](facts)


def _failed(facts: Facts) -> str:
    ended = _ENDED.get(facts.text("status"), "failed")
    step = facts.text("step") if facts.whole("steps") != 1 else ""
    code = facts.whole("exit_code")
    where = f" in {step}" if step else ""
    how = f" (exit code {code})" if code and ended == "failed" else ""
    return f"{facts.title} {ended}{where}{how}"


def _still(facts: Facts) -> str:
    failures = facts.whole("failures")
    count = f" ({failures} in a row)" if failures and failures > 1 else ""
    return f"{facts.title} is still failing{count}"


def _recovered(facts: Facts) -> str:
    if facts.text("late"):
        return f"{facts.title} is on time again"
    failures = facts.whole("failures")
    after = f" after {failures} {_NAMES['failure'][failures > 1]}" if failures else ""
    return f"{facts.title} recovered{after}"


_BROKEN_PROMISES: Mapping[str, str] = {
    "start_within": "it has not started in time",
    "max_duration": "it runs longer than it should",
    "finish_by": "it has not finished by its time of day",
    "success_every": "it has not succeeded for too long",
}


def _late(facts: Facts) -> str:
    return f"{facts.title} is late: {_promise(facts)}"


def _promise(facts: Facts) -> str:
    late = facts.text("late") or _first_line(facts.text("error"))
    return _BROKEN_PROMISES.get(late, late or "a promise of its sla is broken")


def _config(facts: Facts) -> str:
    return f"{_file(facts)} is {'good again' if facts.yes('good') else 'broken'}"


def _file(facts: Facts) -> str:
    return facts.text("file") or facts.news.job.source or "the jobs file"


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
    lines = [*_what(facts), *_when(facts), *_since(facts)]
    if kind == "delivery":
        lines.append("It was tried for a day and is not tried again.")
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
    if facts.news.kind == "late":
        lines.append(f"Late: {_promise(facts)}")
    if status := facts.text("status"):
        code = facts.whole("exit_code")
        lines.append(
            f"Result: {status.replace('_', ' ')}" + (f", exit code {code}" if code is not None else "")
        )
    reason = facts.text("error") or facts.text("reason")
    # The exit code is in the line above.
    if reason and facts.news.kind != "late" and reason != f"exit code {facts.whole('exit_code')}":
        label = "Not delivered" if facts.news.kind == "delivery" else "Reason"
        lines.append(f"{label}: {_clean(reason).strip()}")
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
    if facts.yes("good"):
        return "The file was read, and its schedule is live."
    parts = [
        "The last good schedule goes on; the edit is not live.",
        _clean(facts.text("error")).strip(),
        f"Check it with: runner validate -f {_file(facts)}",
    ]
    return "\n\n".join(part for part in parts if part)


def _tail(text: str) -> list[str]:
    lines = _clean(text[-4 * _TAIL_CHARS :]).rstrip().split("\n")[-_TAIL_LINES:]
    while len(lines) > 1 and sum(map(len, lines)) > _TAIL_CHARS:
        lines.pop(0)
    return ["    " + line[-_TAIL_CHARS:] for line in lines] if any(line.strip() for line in lines) else []


def _clean(text: str) -> str:
    return _CONTROLS.sub("", _ESCAPES.sub("", text.replace("\r\n", "\n").replace("\r", "\n")))


def _first_line(text: str) -> str:
    return _clean(text).strip().split("\n")[0]
