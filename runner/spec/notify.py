"""Who hears of what. Channels are names; what stands behind a name is configuration, not part of a job."""

from __future__ import annotations

from dataclasses import dataclass

from runner.moment import Span


@dataclass(frozen=True, slots=True)
class Rule:
    """Tell `to` (channel names). `after`: only from the n-th failure in a row. `remind`: again every so often.

    `condition` is an expression over `job` and `run`; `title` and `body` are templates (None: the house's own).
    """

    to: tuple[str, ...]
    after: int = 1
    remind: Span | None = None
    condition: str | None = None
    title: str | None = None
    body: str | None = None
    attach_log: bool = False


@dataclass(frozen=True, slots=True)
class Notify:
    """The rules of a job by kind of news."""

    on_failure: tuple[Rule, ...] = ()
    on_recovery: tuple[Rule, ...] = ()
    on_late: tuple[Rule, ...] = ()
    on_success: tuple[Rule, ...] = ()
