"""Mistakes people make in a jobs file, and the whole of what they are told: tests/config/mistakes/*.txt.

    ## what is wrong | schema            (or: not schema: why a schema cannot know)
    the file
    >>>
    the error

`python -m tests.config.mistaken` writes the errors anew; then each is to be read, by somebody who has not seen it.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from runner import config
from runner.errors import ConfigError
from runner.notify.targets import check

DIRECTORY = Path(__file__).parent / "mistakes"


@dataclass(frozen=True)
class Mistake:
    name: str
    knowable: str
    """`schema`, or why a schema cannot know."""
    text: str
    said: str


def read(path: Path) -> Iterator[Mistake]:
    for part in ("\n" + path.read_text()).split("\n## ")[1:]:
        head, _, rest = part.partition("\n")
        name, _, knowable = head.partition(" | ")
        text, arrow, said = rest.partition("\n>>>\n")
        yield Mistake(name, knowable, text + "\n" if arrow else rest + "\n", said.rstrip("\n"))


def told(text: str, here: Path) -> str:
    """What somebody is told who has this jobs.yaml in a directory."""
    file = here / "jobs.yaml"
    file.write_text(text)
    try:
        config.load(file, address=check)
    except ConfigError as error:
        return str(error).replace(f"{here}/", "").replace(str(here), "HERE")
    return "(nothing)"


def main() -> None:
    for path in sorted(DIRECTORY.glob("*.txt")):
        with tempfile.TemporaryDirectory() as directory:
            here = Path(directory).resolve()
            parts = [
                f"## {each.name} | {each.knowable}\n{each.text.rstrip(chr(10))}\n>>>\n{told(each.text, here)}\n"
                for each in read(path)
            ]
        path.write_text("\n".join(parts))


if __name__ == "__main__":
    main()
