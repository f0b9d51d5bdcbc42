"""What `runner doctor` finds in a directory, as one text: each finding a line, the directory as DIR."""

from __future__ import annotations

import re

from tests.cli.verb_place import Place

NOBODY = """\
note runner: no runner has begun here, or it has ended
  help: nothing runs on time until somebody does: runner serve -f DIR/jobs.yaml"""
TIMES = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC")


OF_THE_MACHINE = ("time zones", "network disk")
"""How these are is no matter of a test: rules of zones grow old by themselves."""


def shown(place: Place, *args: str, code: int) -> str:
    """What it prints, without what is said of the machine."""
    *lines, last = place.call("doctor", *args, code=code).stdout.splitlines()
    kept: list[str] = []
    skipped, notes = False, 0
    for line in lines:
        if not line.startswith(" "):
            skipped = line[9:26].strip() in OF_THE_MACHINE
            notes += not skipped and line.startswith("note ")
        if not skipped:
            kept.append(line)
    counted = f"{notes} note" if notes == 1 else f"{notes} notes"
    return "\n".join([*kept, f"{last.partition(', ')[0]}, {counted}", ""]).replace(
        str(place.directory), "DIR"
    )


def examined(place: Place, *about: str, code: int) -> str:
    """The findings about these things; all of them that are not ok, where none is named."""
    found = place.call("doctor", "--json", code=code).json
    assert found["ok"] == (code == 0) == all(each["level"] != "problem" for each in found["findings"])
    lines: list[str] = []
    for each in found["findings"]:
        if each["about"] in about or (
            not about and each["level"] != "ok" and each["about"] not in OF_THE_MACHINE
        ):
            lines += [f"{each['level']} {each['about']}: {each['fact']}", *each["detail"].splitlines()]
            lines += [f"  help: {each['help']}"] if each["help"] else []
    text = "\n".join(lines).replace(str(place.directory), "DIR")
    return TIMES.sub("TIME", text)
