"""Writes the parts of the documentation that are derived from the code; `--check` says which are stale.

A part stands between `<!-- generated: NAME -->` and `<!-- end: NAME -->` in a page of this directory.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from runner.cli import reference
from runner.config import words
from runner.core import states

DOCS = Path(__file__).parent
PART = re.compile(r"(<!-- generated: ([a-z-]+) -->\n).*?(<!-- end: \2 -->)", re.DOTALL)


def states_of_a_run() -> str:
    return f"```mermaid\n{states.diagram(states.RUN)}\n```"


def states_of_a_step() -> str:
    return f"```mermaid\n{states.diagram(states.STEP)}\n```"


KEYS = {
    "keys-of-the-file": "",
    "keys-of-a-job": "JobModel",
    "keys-of-a-step": "StepModel",
    "keys-of-a-schedule": "ScheduleModel",
    "keys-of-after": "AfterModel",
    "keys-of-only-after": "OnlyAfterModel",
    "keys-of-a-request": "HttpModel",
    "keys-of-artifacts": "ArtifactsModel",
    "keys-of-retry": "RetryModel",
    "keys-of-concurrency": "ConcurrencyModel",
    "keys-of-catchup": "CatchupModel",
    "keys-of-success": "SuccessModel",
    "keys-of-limits": "LimitsModel",
    "keys-of-sla": "SlaModel",
    "keys-of-notify": "NotifyModel",
    "keys-of-a-rule": "RuleModel",
    "keys-of-retention": "RetentionModel",
    "keys-of-a-parameter": "ParamModel",
    "keys-of-a-secret": "SecretModel",
    "keys-of-a-channel": "ChannelModel",
    "keys-of-a-calendar": "CalendarModel",
    "keys-of-maintenance": "MaintenanceModel",
    "keys-of-an-executor": "ExecutorModel",
    "keys-of-a-group": "GroupModel",
    "keys-of-heartbeat": "HeartbeatModel",
    "keys-of-storage": "StorageModel",
    "keys-of-a-test": "TestModel",
}

PARTS: Mapping[str, Callable[[], str]] = {
    "states-of-a-run": states_of_a_run,
    "states-of-a-step": states_of_a_step,
    "verbs": reference.text,
    **{name: partial(words.keys_of, model) for name, model in KEYS.items()},
}


def renewed(page: str) -> str:
    """The page with every generated part written anew. KeyError where nobody knows how."""
    return PART.sub(lambda part: f"{part[1]}{PARTS[part[2]]()}\n{part[3]}", page)


def main(arguments: list[str]) -> int:
    """0 where all is fresh now; 1 where `--check` found a stale page, or a part that stands nowhere."""
    known: set[str] = set()
    stale: list[Path] = []
    for path in sorted(DOCS.glob("*.md")):
        page = path.read_text(encoding="utf-8")
        known.update(name for _, name, _ in PART.findall(page))
        fresh = renewed(page)
        if fresh != page:
            stale.append(path)
            if "--check" not in arguments:
                path.write_text(fresh, encoding="utf-8")
    lost = sorted(set(PARTS) - known)
    for name in lost:
        print(f"the part `{name}` stands in no page: write its two markers where it belongs", file=sys.stderr)
    if "--check" in arguments:
        for path in stale:
            print(f"docs/{path.name} is stale: make generate", file=sys.stderr)
        return 1 if stale or lost else 0
    for path in stale:
        print(f"wrote docs/{path.name}")
    return 1 if lost else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
