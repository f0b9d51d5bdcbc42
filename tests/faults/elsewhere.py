"""The fault cases that are proved in other rooms, and the choice of cases by number: a plugin of pytest.

`python -m tests.faults` loads it. RUNNER_FAULTS_CASES holds the numbers that are wanted, or nothing for all.
"""

from __future__ import annotations

import os
import re
from collections import Counter, defaultdict
from dataclasses import dataclass

import pytest

from tests.faults.figures import record


@dataclass(frozen=True, slots=True)
class Case:
    """Tests of another room that together are a fault case."""

    fault: str
    target: str
    tests: tuple[str, ...]


CASES: dict[str, Case] = {
    "23": Case(
        "clock changes by engine: every zone and every change of its table",
        "daily once, wildcards without a hole",
        ("tests/triggers/test_clock_changes.py",),
    ),
    "29 texts": Case(
        "mistakes in a jobs file, each with the whole of what is told",
        "file, line, column and key named",
        ("tests/config/test_mistakes.py::test_a_mistake_is_told_whole",),
    ),
    "30 reading": Case(
        "a file of 10 jobs cut at every byte, read",
        "0 accepted with jobs missing unseen",
        ("tests/config/test_hostile.py::test_a_file_cut_anywhere_never_replaces_a_whole_one_unseen",),
    ),
    "35": Case(
        "YAML bombs, depth, size, tags, merge keys, broken bytes",
        "refused <= 1 s and 50 MB, no crash",
        ("tests/config/test_hostile.py::test_a_bomb_is_refused_within_a_second_and_little_memory",),
    ),
    "51": Case(
        "hostile values in scripts, through every shell there is",
        "0 executed, 0 altered",
        ("tests/expressions/test_shell_values.py",),
    ),
    "52": Case(
        "template escapes, CPU and memory bombs",
        "0 escapes; <= 1 s and 64 MB",
        ("tests/expressions/test_sandbox.py",),
    ),
    "53": Case(
        "secrets in history, logs, messages, `ps`, dumps and on disk",
        "0 hits",
        ("tests/secrets/test_everywhere.py",),
    ),
}

_passed: Counter[str] = Counter()
_took: defaultdict[str, float] = defaultdict(float)
_bad: set[str] = set()


def numbers(item: pytest.Item) -> set[int]:
    """The fault cases a test belongs to."""
    found = {int(name.split()[0]) for name in _of(item.nodeid)}
    params = getattr(getattr(item, "callspec", None), "params", {})
    if isinstance(params.get("number"), str):
        return found | {int(params["number"])}
    match = re.match(r"test_case_((?:\d\d_)+)", item.name)
    return found | ({int(each) for each in match[1].split("_") if each} if match else set())


def paths(wanted: set[int]) -> list[str]:
    """What pytest has to look at for some cases, or for all."""
    rooms = [
        path
        for name, case in CASES.items()
        for path in case.tests
        if not wanted or int(name.split()[0]) in wanted
    ]
    return ["tests/faults", *rooms]


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    wanted = {int(each) for each in os.environ.get("RUNNER_FAULTS_CASES", "").split()}
    if not wanted:
        return
    left = [item for item in items if not numbers(item) & wanted]
    config.hook.pytest_deselected(items=left)
    items[:] = [item for item in items if numbers(item) & wanted]


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    for name in _of(report.nodeid):
        if report.failed:
            _bad.add(name)
        elif report.when == "call" and report.passed:
            _passed[name] += 1
            _took[name] += report.duration


def pytest_sessionfinish() -> None:
    for name, count in _passed.items():
        if name not in _bad:
            case = CASES[name]
            record(name, case.fault, count, {"tests passed": count}, case.target, _took[name])


def _of(nodeid: str) -> list[str]:
    return [
        name
        for name, case in CASES.items()
        if any(nodeid == test or nodeid.startswith((f"{test}::", f"{test}[")) for test in case.tests)
    ]
