"""An edit is read without reading the rest, and the answer is the one a whole reading gives."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest

from runner import config
from runner.config import kept as keeping
from runner.config import pieces
from runner.errors import ConfigError

HEAD = "defaults: {timezone: UTC}\ngroups: {db: 2}\nvars: {n: 3}\n\njobs:\n"
TAIL = "\nsecrets:\n  key: {env: KEY}\n"
TESTS = "tests:\n  - {job: j2, from: 2026-01-01, to: 2026-01-01T00:00:30Z, expect: []}\n"
KINDS = [
    "  {id}:\n    schedule: every {n}m\n    run: echo {n}\n",
    "  {id}: {{run: 'echo {n}', timeout: {n}s}}\n",
    "  # a comment\n  {id}:\n    command:\n    - echo\n    - '{n}'\n    timeout: 1m\n\n",
    "  {id}:\n    matrix: {{x: [a, b]}}\n    run: |\n      echo ${{{{ matrix.x }}}}\n      # {n}\n\n      echo\n",
    "  {id}:\n    timeout: 1m\n    run: |+\n      keep\n\n\n",
    '  {id}:\n    run: "two\n      lines: {n}"\n',
    "  {id}:\n    command: [curl, '${{{{ secrets.key }}}}', '{n}']\n    timeout: 1m\n",
    "  {id}:\n    run: echo ${{{{ vars.n | raw }}}} {n}\n",
]
BROKEN = [
    "  {id}:\n    rum: echo {n}\n",
    '  {id}:\n    run: "open {n}\n',
    "  {id}: [\n",
    "  {id}:\n    <<: *base\n    run: a\n",
    " {id}:\n    run: echo\n",
    "{id}: 3\n",
    "  j1:\n    run: twice\n",
    "  {id}:\n    run: echo\n    after: nobody{n}\n",
    "  Bad{n}:\n    run: echo\n",
    "---\n",
]


def written(jobs: list[str], tail: str = TAIL) -> str:
    return HEAD + "".join(jobs) + tail


def whole(path: Path) -> config.Config | str:
    try:
        return config.load(path)
    except ConfigError as error:
        return str(error)


def again(path: Path, cache: config.Cache) -> config.Config | str:
    try:
        return config.load(path, cache=cache)
    except ConfigError as error:
        return str(error)


@pytest.mark.parametrize("seed", range(12))
def test_an_edit_gives_what_a_whole_reading_gives(
    tmp_path: Path, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    # As if the changes of one edit lay far apart, half of the time: then they are made one after the other.
    monkeypatch.setattr(pieces, "_FAR", 80 if seed % 2 else pieces._FAR)
    chance = random.Random(seed)
    path = tmp_path / "jobs.yaml"
    made = 0

    def one(kinds: list[str]) -> str:
        nonlocal made
        made += 1
        return chance.choice(kinds).format(id=f"j{made}", n=chance.randrange(1, 60))

    jobs = [one(KINDS) for _ in range(8)]
    tail = TAIL + TESTS if seed % 3 == 0 else TAIL
    path.write_text(written(jobs, tail))
    cache = config.Cache()
    assert again(path, cache) == whole(path)
    for _ in range(40):
        edited = list(jobs)
        for _ in range(chance.choice((1, 1, 2, 3))):
            kinds = KINDS if chance.random() < 0.8 else BROKEN
            at = chance.randrange(len(edited) + 1)
            edited[at : at + chance.choice((0, 1, 1, 2))] = [
                one(kinds) for _ in range(chance.choice((0, 1, 1)))
            ]
        text = written(edited, tail)
        if chance.random() < 0.1:
            text = text[: chance.randrange(len(text))] + "\n"
        path.write_text(text)
        expected = whole(path)
        assert again(path, cache) == expected
        if isinstance(expected, config.Config):
            jobs = edited


def test_changes_far_apart_are_read_one_by_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "jobs.yaml"
    monkeypatch.setattr(pieces, "_FAR", 1_000)
    jobs = [f"  j{n}: {{run: echo {n}}}\n" for n in range(500)]
    path.write_text("jobs:\n" + "".join(jobs))
    cache = config.Cache()
    config.load(path, cache=cache)
    read: list[int] = []
    cut = pieces.Pieces.piece

    def counted(self: pieces.Pieces, number: int) -> str:
        read.append(number)
        return cut(self, number)

    monkeypatch.setattr(pieces.Pieces, "piece", counted)
    for number in (3, 250, 490):
        jobs[number] = jobs[number].replace("echo", "date")
    path.write_text("jobs:\n" + "".join(jobs))
    found = config.load(path, cache=cache)
    assert len(read) < 50
    assert found == config.load(path)


def test_only_what_changed_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "jobs.yaml"
    jobs = [f"  j{n}:\n    run: echo {n}\n    timeout: 1m\n" for n in range(300)]
    path.write_text(written(jobs))
    cache = config.Cache()
    first = config.load(path, cache=cache)
    read: list[int] = []
    piece = keeping._piece

    def noted(*args: Any) -> Any:
        read.append(args[2])
        return piece(*args)

    monkeypatch.setattr(keeping, "_piece", noted)
    jobs[100] = "  j100:\n    run: echo other\n    timeout: 1m\n"
    del jobs[200]
    jobs.insert(5, "  fresh:\n    run: echo\n    timeout: 1m\n")
    path.write_text(written(jobs))
    second = config.load(path, cache=cache)
    assert read == [5, 101]
    assert second == config.load(path)
    same = {id(spec) for spec in first.jobs} & {id(spec) for spec in second.jobs}
    assert len(same) == 298


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("groups: {db: 2}", "groups: {db: 4}"),
        ("vars: {n: 3}", "vars: {n: 4}"),
        ("timezone: UTC", "timezone: Europe/Oslo"),
        ("jobs:", "jobs: # ours"),
        ("key: {env: KEY}", "key: {env: OTHER}"),
    ],
)
def test_what_stands_beside_the_jobs_is_read_again(tmp_path: Path, before: str, after: str) -> None:
    path = tmp_path / "jobs.yaml"
    text = written(["  a:\n    run: echo ${{ vars.n }}\n"])
    path.write_text(text)
    cache = config.Cache()
    config.load(path, cache=cache)
    path.write_text(text.replace(before, after))
    assert config.load(path, cache=cache) == config.load(path)


@pytest.mark.parametrize(
    "text",
    [
        "jobs: {a: {run: echo}, b: {run: echo}}\n",
        "jobs:\n  a: &a\n    run: echo\n  b:\n    <<: *a\n    timeout: 1m\n",
        'jobs:\n  a:\n    run: "x\n  b: {run: echo}\n    y"\n  c: {run: echo}\n',
        "jobs:\n  'a':\n    run: echo\n",
        "jobs:\n  x-note: ours\n  a:\n    run: echo\n",
    ],
)
def test_a_file_that_cannot_be_cut_is_read_whole(tmp_path: Path, text: str) -> None:
    path = tmp_path / "jobs.yaml"
    path.write_text(text)
    cache = config.Cache()
    config.load(path, cache=cache)
    path.write_text(text.replace("echo", "date"))
    assert config.load(path, cache=cache) == config.load(path)


def test_an_included_file_and_a_calendar_are_seen_to_change(tmp_path: Path) -> None:
    path, other = tmp_path / "jobs.yaml", tmp_path / "jobs.d"
    other.mkdir()
    path.write_text("include: jobs.d/*.yaml\njobs:\n  a:\n    run: echo\n")
    cache = config.Cache()
    assert [spec.id for spec in config.load(path, cache=cache).jobs] == ["a"]
    (other / "b.yaml").write_text("jobs:\n  b:\n    run: echo\n")
    assert [spec.id for spec in config.load(path, cache=cache).jobs] == ["a", "b"]
    (other / "b.yaml").write_text("jobs:\n  b:\n    run: date\n  c:\n    run: date\n")
    assert config.load(path, cache=cache) == config.load(path)
    (other / "b.yaml").unlink()
    assert [spec.id for spec in config.load(path, cache=cache).jobs] == ["a"]
