"""Which news for whom: incidents open and close, remind, and every message is a delivery in the outbox."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from runner.core.action import Action, Announce, Save, Send
from runner.core.agenda import Agenda
from runner.core.blame import blamed
from runner.core.context import context, facts
from runner.core.event import Notice
from runner.core.flow import Evaluate
from runner.core.run import (
    Delivery,
    Incident,
    IncidentKind,
    Job,
    News,
    NewsKind,
    Run,
    Status,
)
from runner.frozen import replace
from runner.moment import HOUR, SECOND, Moment, Span, iso
from runner.spec import JobKey, JobSpec, Rule

FIRST_RETRY: Span = 5 * SECOND
LAST_RETRY: Span = HOUR
GIVE_UP: Span = 24 * HOUR

IncidentKey = tuple[JobKey, IncidentKind]


class Desk:
    """Open incidents and waiting deliveries. Everything it decides goes to `out`."""

    def __init__(
        self,
        incidents: Iterable[Incident],
        deliveries: Iterable[Delivery],
        agenda: Agenda,
        out: Callable[[Action], None],
        evaluate: Evaluate,
    ) -> None:
        self.incidents: dict[IncidentKey, Incident] = {}
        self.deliveries: dict[str, Delivery] = {}
        self._agenda = agenda
        self._out = out
        self._evaluate = evaluate
        self._channels: dict[str, None] = {}
        for incident in incidents:
            self._keep(incident)
        for delivery in deliveries:
            self.deliveries[delivery.id] = delivery
            agenda.put(("delivery", delivery.id), delivery.next_at)

    # ── runs ────────────────────────────────────────────────────────────────────────────────

    def ended(self, job: Job | None, run: Run, failures: int, now: Moment) -> None:
        """A run is final; `failures` counts those in a row, this one included."""
        if run.status.good:
            if self.incidents or run.spec.notify.on_success:
                self._succeeded(run, now)
        elif run.status is not Status.CANCELLED:
            self._failed(run, failures, now)

    def _succeeded(self, run: Run, now: Moment) -> None:
        notify = run.spec.notify
        self._tell(notify.on_success, "success", run.spec, now, run)
        late = self._close((run.key.job, "late"), now)
        incident = self._close((run.key.job, "failure"), now)
        if incident is not None and incident.told:
            more = {"failures": incident.count, "since": _iso(incident.since, run.spec)}
            self._tell(notify.on_recovery, "recovery", run.spec, now, run, more, keep=incident)
        elif late is not None and late.told:
            more = {"since": _iso(late.since, run.spec), "late": late.detail}
            self._tell(notify.on_recovery, "recovery", run.spec, now, run, more)

    def _failed(self, run: Run, failures: int, now: Moment) -> None:
        key: IncidentKey = (run.key.job, "failure")
        known = self.incidents.get(key)
        if known is None:
            since = run.ended_at or now
            incident = Incident(run.key.job, "failure", since, count=1, run=run.key, detail=str(run.status))
            self._out(Announce("incident.opened", incident))
        else:
            incident = replace(known, count=known.count + 1, run=run.key)
        more = {"failures": max(failures, incident.count), "since": _iso(incident.since, run.spec)}
        due = [rule for rule in run.spec.notify.on_failure if rule.after == incident.count]
        told = self._tell(due, "failure", run.spec, now, run, more)
        reminds = [
            rule.remind for rule in run.spec.notify.on_failure if rule.remind and incident.count >= rule.after
        ]
        remind_at = incident.remind_at
        if reminds and remind_at is None:
            remind_at = now + min(reminds)
        self._keep(replace(incident, told=_union(incident.told, told), remind_at=remind_at), save=True)

    def remind(self, key: IncidentKey, spec: JobSpec | None, now: Moment) -> None:
        """The moment of a reminder has come."""
        incident = self.incidents.get(key)
        if incident is None or incident.remind_at is None:
            return
        rules = [rule for rule in spec.notify.on_failure if rule.remind] if spec is not None else []
        if spec is None or not rules:
            self._keep(replace(incident, remind_at=None), save=True)
            return
        more = {"failures": incident.count, "since": _iso(incident.since, spec)}
        if incident.run is not None:
            more["run"] = str(incident.run)
        self._tell(rules, "reminder", spec, now, None, more, part=str(now))
        every = min(rule.remind for rule in rules if rule.remind)
        self._keep(replace(incident, reminded_at=now, remind_at=now + every), save=True)

    def late(self, spec: JobSpec, what: str, now: Moment, run: Run | None = None) -> None:
        """Something of the `sla` was broken."""
        key: IncidentKey = (spec.key, "late")
        known = self.incidents.get(key)
        if known is not None:
            self._keep(replace(known, count=known.count + 1, detail=what), save=True)
            return
        told = self._tell(spec.notify.on_late, "late", spec, now, run, {"late": what}, part=what)
        incident = Incident(spec.key, "late", now, told=told, run=run.key if run else None, detail=what)
        self._out(Announce("incident.opened", incident))
        self._keep(incident, save=True)

    def broken(self, spec: JobSpec, reason: str, now: Moment) -> None:
        """A job cannot be loaded or run."""
        key: IncidentKey = (spec.key, "broken")
        if key in self.incidents:
            return
        told = self._tell(
            spec.notify.on_failure, "failure", spec, now, None, {"error": reason}, part="broken"
        )
        self._keep(Incident(spec.key, "broken", now, told=told, detail=reason), save=True)

    def mended(self, key: JobKey, now: Moment) -> None:
        self._close((key, "broken"), now)

    def removed(self, key: JobKey, now: Moment) -> None:
        """A job is no more: nobody is reminded of it."""
        for kind in ("failure", "late", "broken"):
            self._close((key, kind), now)

    def notice(self, notice: Notice, now: Moment) -> None:
        """Trouble of the house itself: told once when it begins and once when it ends."""
        where = JobKey("default", notice.source, "")
        key: IncidentKey = (where, "config")
        incident = self.incidents.get(key)
        if notice.good:
            closed = self._close(key, now)
            if closed is None:
                return
            news = News("config", where, now, None, {**notice.facts, "good": True})
            self._post(closed.told or notice.channels, news, f"{closed.since}/good")
        elif incident is None:
            news = News("config", where, now, None, {**notice.facts, "good": False})
            self._post(notice.channels, news, f"{now}/bad")
            self._keep(Incident(where, "config", now, told=notice.channels), save=True)
        else:
            self._keep(replace(incident, count=incident.count + 1), save=True)

    # ── deliveries ──────────────────────────────────────────────────────────────────────────

    def due(self, id: str) -> None:
        """The moment of a delivery has come."""
        delivery = self.deliveries.get(id)
        if delivery is not None:
            self._out(Send(delivery))

    def delivered(self, id: str, error: str, now: Moment) -> None:
        """The notifier's word: it arrived, or it is tried again, or given up and that is told."""
        delivery = self.deliveries.get(id)
        if delivery is None:
            return
        delivery = replace(delivery, attempts=delivery.attempts + 1, error=error)
        if not error:
            self._end(replace(delivery, state="delivered", ended_at=now), "delivery.delivered")
            return
        wait = min(FIRST_RETRY * 2 ** min(delivery.attempts - 1, 20), LAST_RETRY)
        if now + wait - delivery.created_at > GIVE_UP:
            self._end(replace(delivery, state="given_up", ended_at=now), "delivery.given_up")
            self._tell_others(delivery, now)
            return
        delivery = replace(delivery, next_at=now + wait)
        self.deliveries[id] = delivery
        self._out(Save(delivery))
        self._out(Announce("delivery.retrying", delivery))
        self._agenda.put(("delivery", id), delivery.next_at)

    def _end(self, delivery: Delivery, name: str) -> None:
        del self.deliveries[delivery.id]
        self._agenda.put(("delivery", delivery.id), None)
        self._out(Save(delivery))
        self._out(Announce(name, delivery))

    def _tell_others(self, delivery: Delivery, now: Moment) -> None:
        """A message that could not be delivered is told to the other channels the house knows."""
        if delivery.news.kind == "delivery":
            return
        others = tuple(name for name in self._channels if name != delivery.channel)
        told = {"channel": delivery.channel, "error": delivery.error, "kind": delivery.news.kind}
        news = News("delivery", delivery.news.job, now, delivery.news.run, {**delivery.news.facts, **told})
        self._post(others, news, f"{delivery.id}/given-up")

    # ── inside ──────────────────────────────────────────────────────────────────────────────

    def know(self, spec: JobSpec) -> None:
        """Remember the channels a job names: one stands in for another that does not answer."""
        notify = spec.notify
        for rules in (notify.on_failure, notify.on_recovery, notify.on_late, notify.on_success):
            for rule in rules:
                self._channels.update(dict.fromkeys(rule.to))

    def _tell(
        self,
        rules: Iterable[Rule],
        kind: NewsKind,
        spec: JobSpec,
        now: Moment,
        run: Run | None,
        more: Mapping[str, Any] | None = None,
        *,
        part: str = "",
        keep: Incident | None = None,
    ) -> tuple[str, ...]:
        told: dict[str, None] = {}
        for rule in rules:
            if run is not None and not self._wanted(rule, run):
                continue
            story = {**about(spec, run), **(more or {})}
            if rule.title is not None:
                story["title_template"] = rule.title
            if rule.body is not None:
                story["body_template"] = rule.body
            if rule.attach_log:
                story["attach_log"] = True
            news = News(kind, spec.key, now, run.key if run is not None else None, story)
            fresh = tuple(name for name in rule.to if name not in told)
            self._post(fresh, news, part or (str(run.key) if run is not None else str(now)))
            told.update(dict.fromkeys(fresh))
        return tuple(told)

    def _wanted(self, rule: Rule, run: Run) -> bool:
        if rule.condition is None:
            return True
        try:
            return bool(self._evaluate(rule.condition, context(run) | {"run": facts(run)}))
        except Exception:
            # A condition that cannot be judged must not keep an alert back.
            return True

    def _post(self, channels: Iterable[str], news: News, part: str) -> None:
        for channel in channels:
            id = f"{news.job.source}|{news.job.id}|{news.kind}|{part}|{channel}"
            if id in self.deliveries:
                continue
            delivery = Delivery(id, channel, news, created_at=news.at, next_at=news.at)
            self.deliveries[id] = delivery
            self._out(Save(delivery))
            self._out(Send(delivery))

    def _keep(self, incident: Incident, *, save: bool = False) -> None:
        key: IncidentKey = (incident.job, incident.kind)
        self.incidents[key] = incident
        self._agenda.put(("incident", key), incident.remind_at)
        if save:
            self._out(Save(incident))

    def _close(self, key: IncidentKey, now: Moment) -> Incident | None:
        incident = self.incidents.pop(key, None)
        if incident is None:
            return None
        self._agenda.put(("incident", key), None)
        closed = replace(incident, closed_at=now, remind_at=None)
        self._out(Save(closed))
        self._out(Announce("incident.closed", closed))
        return closed


def about(spec: JobSpec, run: Run | None) -> dict[str, Any]:
    """The facts of a message: what happened to which job, when, how long, which attempt, the last lines."""
    story: dict[str, Any] = {
        "job": spec.id,
        "title": spec.title,
        "owner": spec.owner,
        "runbook": spec.runbook,
        "tags": list(spec.tags),
        "zone": spec.timezone,
    }
    if run is None:
        return story
    story |= {
        "run": run.id,
        "status": str(run.status),
        "reason": run.reason,
        "scheduled_at": _iso(run.key.slot, spec),
        "started_at": _iso(run.started_at, spec),
        "ended_at": _iso(run.ended_at, spec),
        "took": run.took / SECOND,
        "params": {name: str(value) for name, value in run.params.items()},
    }
    state = blamed(run)
    if state is not None:
        outcome = state.outcome
        story |= {"step": state.id, "attempt": state.attempt, "steps": len(run.steps)}
        if outcome is not None:
            story |= {"exit_code": outcome.exit_code, "error": outcome.error, "tail": outcome.tail}
    return story


def _iso(moment: Moment | None, spec: JobSpec) -> str | None:
    from zoneinfo import ZoneInfo

    return None if moment is None else iso(moment, ZoneInfo(spec.timezone))


def _union(first: tuple[str, ...], second: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys((*first, *second)))
