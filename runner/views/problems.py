"""What is wrong with a file, for programs: JSON, remarks for GitHub, and SARIF for code scanners."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from os.path import relpath
from typing import Any

from runner.amounts import count
from runner.errors import Level, Problem


def document(found: Sequence[Problem]) -> dict[str, Any]:
    """`{errors: [{kind, message, file, line, column, help}], warnings, notes}`; lines and columns count from 1."""
    return {f"{level}s": [_row(each) for each in found if each.level == level] for level in _LEVELS}


_LEVELS: tuple[Level, ...] = ("error", "warning", "note")


def counted(found: Sequence[Problem], *, strict: bool) -> str:
    """How many there are of each level; notes only where there are some."""
    counts = Counter(problem.level for problem in found)
    text = ", ".join(count(counts[level], level) for level in _LEVELS if level != "note" or counts[level])
    return f"{text}; with --strict a warning is an error" if strict and counts["warning"] else text


def github(found: Sequence[Problem], *, base: str, strict: bool) -> Iterator[str]:
    """Workflow commands: GitHub shows each at its line. Paths are relative to `base`, the root of the repository."""
    for level, problem in _levels(found, strict):
        where = {
            "file": _near(problem.file, base),
            "line": str(max(1, problem.line)),
            "col": str(max(1, problem.column)),
            "title": problem.kind,
        }
        said = ",".join(f"{name}={_property(value)}" for name, value in where.items())
        yield f"::{'notice' if level == 'note' else level} {said}::{_data(_words(problem, ' '))}"


def sarif(found: Sequence[Problem], *, version: str, base: str, strict: bool) -> dict[str, Any]:
    """A SARIF 2.1.0 log of one run. Paths are relative to `base`."""
    kinds = sorted({problem.kind for problem in found})
    results = [_result(level, problem, kinds, base) for level, problem in _levels(found, strict)]
    driver = {"name": "runner", "version": version, "rules": [{"id": kind} for kind in kinds]}
    return {
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{"tool": {"driver": driver}, "results": results}],
    }


def _result(level: str, problem: Problem, kinds: Sequence[str], base: str) -> dict[str, Any]:
    region = {"startLine": max(1, problem.line), "startColumn": max(1, problem.column)}
    if problem.line and problem.length:
        region["endColumn"] = region["startColumn"] + problem.length
    return {
        "ruleId": problem.kind,
        "ruleIndex": kinds.index(problem.kind),
        "level": level,
        "message": {"text": _words(problem, "\n")},
        "locations": [
            {
                "physicalLocation": {
                    "artifactLocation": {"uri": _near(problem.file, base)},
                    "region": region,
                }
            }
        ],
    }


def _levels(found: Sequence[Problem], strict: bool) -> Iterator[tuple[Level, Problem]]:
    for problem in found:
        yield "error" if strict and problem.level == "warning" else problem.level, problem


def _words(problem: Problem, between: str) -> str:
    return f"{problem.message}{between}({problem.help})" if problem.help else problem.message


def _row(problem: Problem) -> dict[str, Any]:
    keys = ("kind", "message", "file", "line", "column", "help")
    return {key: getattr(problem, key) for key in keys}


def _near(file: str, base: str) -> str:
    """Relative where it lies below: that is how review systems know files."""
    near = relpath(file, base)
    return file if near.startswith("..") else near


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
