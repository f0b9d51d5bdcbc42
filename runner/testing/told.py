"""Verdicts of `runner test` for people, for programs, and as the JUnit XML that review systems show."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from os.path import relpath
from typing import Any
from xml.etree import ElementTree

from runner.moment import SECOND, Span
from runner.testing.verdict import Difference, Verdict
from runner.views.table import plain

_SIGNS = {"-": "- ", "+": "+ ", "": "  "}


def text(verdicts: Sequence[Verdict], *, base: str = ".", everything: bool = False) -> str:
    """Each test in a line, each that failed with what was expected and what was found."""
    lines: list[str] = []
    marks: set[str] = set()
    for verdict in verdicts:
        if verdict.good and not everything:
            continue
        sign = "✓" if verdict.good else "✗"
        place = _near(verdict.test.place, base)
        lines.append(f"{sign} {verdict.test.job}: {plain(verdict.test.name)}  ({place})")
        for difference in verdict.differences:
            lines += (f"    {line}" for line in _lines(difference, base))
            marks |= {mark for mark, _ in difference.lines if mark} if len(difference.lines) > 2 else set()
        if verdict.error:
            lines.append(f"    it cannot be played: {verdict.error}")
    bad = sum(not verdict.good for verdict in verdicts)
    if marks:
        lines.append("(- expected, + found)")
    count = f"{len(verdicts)} test{'s' if len(verdicts) != 1 else ''}"
    return "\n".join([*lines, f"{count}, {bad} failed" if bad else f"{count}, all good"])


def _lines(difference: Difference, base: str) -> Iterator[str]:
    place = f"  ({_near(difference.place, base)})"
    if [mark for mark, _ in difference.lines] == ["-", "+"]:
        expected, found = (plain(words) for _, words in difference.lines)
        yield f"{difference.key}: expected {expected}, found {found}{place}"
        return
    yield f"{difference.key}:{place}"
    for mark, words in difference.lines:
        yield f"  {_SIGNS[mark]}{plain(words)}"


def _near(place: str, base: str) -> str:
    """A place as people type it: relative to where they stand, where that is shorter."""
    file, _, line = place.rpartition(":")
    near = relpath(file, base)
    return f"{near if len(near) < len(file) else file}:{line}"


def document(verdicts: Sequence[Verdict]) -> dict[str, Any]:
    """`{tests: [{job, name, place, status, differences: [{key, place, expected, found}], error}], failed}`."""
    return {
        "tests": [
            {
                "job": verdict.test.job,
                "name": verdict.test.name,
                "place": verdict.test.place,
                "status": "passed" if verdict.good else "failed",
                "differences": [
                    {
                        "key": difference.key,
                        "place": difference.place,
                        "expected": [words for mark, words in difference.lines if mark != "+"],
                        "found": [words for mark, words in difference.lines if mark != "-"],
                    }
                    for difference in verdict.differences
                ],
                "error": verdict.error,
            }
            for verdict in verdicts
        ],
        "failed": sum(not verdict.good for verdict in verdicts),
    }


def junit(verdicts: Sequence[Verdict], *, suite: str, took: Span, base: str = ".") -> str:
    """JUnit XML: a suite for the file, a case for each test, named apart where two have the same name."""
    bad = str(sum(not verdict.good for verdict in verdicts))
    counts = {"tests": str(len(verdicts)), "failures": bad, "errors": "0", "skipped": "0"}
    seconds = f"{took / SECOND:.3f}"
    root = ElementTree.Element("testsuites", counts | {"time": seconds})
    below = ElementTree.SubElement(root, "testsuite", {"name": suite} | counts | {"time": seconds})
    seen: Counter[tuple[str, str]] = Counter()
    for verdict in verdicts:
        test = verdict.test
        seen[test.job, test.name] += 1
        number = seen[test.job, test.name]
        name = _printable(test.name) + (f" ({number})" if number > 1 else "")
        file, _, line = test.place.rpartition(":")
        case = ElementTree.SubElement(
            below,
            "testcase",
            {"classname": test.job, "name": name, "file": relpath(file, base), "line": line},
        )
        if not verdict.good:
            said = (
                "\n".join(line for each in verdict.differences for line in _lines(each, base))
                or verdict.error
            )
            keys = ", ".join(each.key for each in verdict.differences)
            message = f"not as expected: {keys}" if keys else verdict.error
            failure = ElementTree.SubElement(case, "failure", {"message": _printable(message)})
            failure.text = _printable(said)
    ElementTree.indent(root)
    return ElementTree.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def _printable(text: str) -> str:
    """XML holds no control characters, not even escaped."""
    return "".join(char if char.isprintable() or char == "\n" else "\ufffd" for char in text)
