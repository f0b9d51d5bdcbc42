"""The reports of yacron and cronstable: those by mail become channels, of the others it is said what to write."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote

from runner.config.taken import NOT_UNDERSTOOD, Taken, flow, literal, truth

_EVENTS = {"onFailure": "on_failure", "onPermanentFailure": "on_failure", "onSuccess": "on_success"}
_TEXTS = ("subject", "body", "html")


def notify(job: Mapping[str, Any], taken: Taken, notes: list[str]) -> Iterator[str]:
    """The line `notify` of a job that reports, if it does; what cannot be taken over is noted."""
    heard: dict[str, list[str]] = {}
    for key, event in _EVENTS.items():
        report = job[key].get("report") if isinstance(job.get(key), Mapping) else None
        if not isinstance(report, Mapping):
            continue
        for way, given in report.items():
            if way != "mail" or not isinstance(given, Mapping):
                notes.append(
                    f"`{key}: {{report: {{{way}: ...}}}}` is not taken over: name a channel below `channels`, "
                    f"and `notify: {{{event}: CHANNEL}}`"
                )
                continue
            try:
                channel = _channel(given, taken)
            except NOT_UNDERSTOOD:
                notes.append(
                    f"the mail of `{key}` is not taken over: it needs smtpHost, from, to, and a port that is a number"
                )
                continue
            if channel not in heard.setdefault(event, []):
                heard[event].append(channel)
            if any(given.get(word) for word in _TEXTS):
                notes.append(f"the words of the mail of `{key}` are not taken over: see `title` and `body`")
    if heard:
        yield f"notify: {flow({event: names[0] if len(names) == 1 else names for event, names in heard.items()})}"


def _channel(mail: Mapping[str, Any], taken: Taken) -> str:
    """The name of the channel for a mail: one that is there already, or a new one. LookupError, ValueError."""
    secure, starttls = truth(mail.get("tls", "false")), truth(mail.get("starttls", "false"))
    server, port = _text(mail, "smtpHost"), int(mail.get("smtpPort") or 25)
    query = f"from={_part(_text(mail, 'from'))}&to={_part(_text(mail, 'to').replace(' ', ''))}"
    if secure or starttls:
        query += f"&mode={'ssl' if secure else 'starttls'}"
    login = ""
    if mail.get("username"):
        login = f"{quote(_text(mail, 'username'), safe='')}:{_password(mail.get('password') or {}, taken)}@"
    url = f"mailto{'s' if secure or starttls else ''}://{login}{server}:{port}?{query}"
    for name, known in taken.channels.items():
        if known == url:
            return name
    name = f"mail_{len(taken.channels) + 1}" if taken.channels else "mail"
    taken.channels[name] = url
    return name


def _text(mail: Mapping[str, Any], key: str) -> str:
    text = str(mail.get(key) or "").strip()
    if not text:
        raise LookupError(key)
    return text


def _part(text: str) -> str:
    return literal(quote(text, safe="@,"))


def _password(given: Mapping[str, Any], taken: Taken) -> str:
    """The password itself, or where it is looked up each time."""
    if given.get("value"):
        return quote(str(given["value"]), safe="")
    source = (
        {"env": _text(given, "fromEnvVar")} if given.get("fromEnvVar") else {"file": _text(given, "fromFile")}
    )
    name = next((name for name, known in taken.secrets.items() if known == source), "")
    if not name:
        name = f"mail_password_{len(taken.secrets) + 1}" if taken.secrets else "mail_password"
        taken.secrets[name] = source
    return f"${{{{ secrets.{name} | urlencode }}}}"
