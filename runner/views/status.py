"""`runner status`: who runs the file, since when, and how it is."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import tzinfo
from typing import Any

from runner.moment import DAY, Moment, parse_iso
from runner.views.table import Cell, Column, Table, rows
from runner.views.when import away, when


def table(answer: Mapping[str, Any], *, now: Moment, zone: tzinfo) -> Table:
    """One line for each thing that is so; what is wrong stands out."""
    leader, config, store = (answer.get(key) or {} for key in ("leader", "config", "store"))
    commit = f" at commit {answer['commit']}" if answer.get("commit") else ""
    broken = not config.get("ok", True)
    disk: list[tuple[Cell | str, Cell | str]] = []
    if not (answer.get("disk") or {}).get("ok", True):
        disk.append((Cell("disk", "dim"), Cell(str(answer["disk"].get("error")), "bad")))
    cells: list[tuple[Cell | str, Cell | str]] = [
        (Cell("file", "dim"), f"{answer.get('file', '')}{commit}"),
        (
            Cell("led by", "dim"),
            f"process {leader.get('pid')} on {leader.get('host')} since {_at(leader.get('since'), now, zone)}, "
            f"runner {answer.get('runner', '')}",
        ),
        *_standing_by(answer.get("here")),
        (Cell("state", "dim"), str(answer.get("state_dir", ""))),
        (
            Cell("config", "dim"),
            Cell(f"broken since {_at(config.get('since'), now, zone)}; the last good one goes on", "bad")
            if broken
            else Cell(f"good, read {_at(answer.get('loaded_at'), now, zone)}", "good"),
        ),
        (
            Cell("store", "dim"),
            Cell("good", "good") if store.get("ok", True) else Cell(str(store.get("error")), "bad"),
        ),
        *disk,
        *_clock(answer.get("clock"), now, zone),
        (Cell("jobs", "dim"), str(answer.get("jobs", 0))),
        (Cell("running", "dim"), ", ".join(answer.get("running") or ()) or "nothing"),
    ]
    if answer.get("waiting"):
        cells.append((Cell("waiting", "dim"), ", ".join(answer["waiting"])))
    if answer.get("draining"):
        cells.append((Cell("stopping", "warn"), Cell("nothing new starts", "warn")))
    notes = (str(config.get("error", "")).rstrip(),) if broken else ()
    return Table((Column(""), Column("", gives=True)), rows(cells), notes=notes)


def _at(text: Any, now: Moment, zone: tzinfo) -> str:
    try:
        moment = parse_iso(str(text))
    except ValueError:
        return str(text)
    return f"{when(moment, now, zone)} ({away(moment, now)})"


def _standing_by(here: Mapping[str, Any] | None) -> list[tuple[Cell | str, Cell | str]]:
    if here is None or here.get("leading"):
        return []
    return [(Cell("here", "dim"), f"process {here.get('pid')} on {here.get('host')} stands by")]


def _clock(
    change: Mapping[str, Any] | None, now: Moment, zone: tzinfo
) -> list[tuple[Cell | str, Cell | str]]:
    """When the clock was set last, in so far as it may still matter to anybody."""
    if change is None or abs(now - parse_iso(str(change.get("at")))) > DAY:
        return []
    words = str(change.get("text", "")).removeprefix("the clock was ")
    return [(Cell("clock", "dim"), Cell(f"{words}, {_at(change.get('at'), now, zone)}", "warn"))]
