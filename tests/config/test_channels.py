"""What is wrong with channels is said where it stands."""

from __future__ import annotations

from pathlib import Path

import pytest

from runner import config
from runner.errors import ConfigError
from runner.notify.targets import check

JOBS = "jobs:\n  hello: {run: echo hello}\n"

CASES = [
    (
        'channels:\n  ops: {urls: "log:", quiet: late}\n',
        """\
error[bad-value]: quiet: "late" is not a part of the day
  --> jobs.yaml:2:30
  |
2 |   ops: {urls: "log:", quiet: late}
  |                              ^^^^
  = help: write quiet: "22:00-07:00"
""",
    ),
    (
        'channels:\n  ops: ["log:", "slakc://token"]\n',
        """\
error[bad-address]: slakc: is not an address that can be used: Unparseable URL slakc://***
  --> jobs.yaml:2:17
  |
2 |   ops: ["log:", "slakc://token"]
  |                 ^^^^^^^^^^^^^^^
  = help: the Apprise wiki says how the address of each service is written
""",
    ),
]


@pytest.mark.parametrize(("text", "said"), CASES)
def test_a_channel_that_cannot_be(text: str, said: str, tmp_path: Path) -> None:
    file = tmp_path / "jobs.yaml"
    file.write_text(text + JOBS)
    with pytest.raises(ConfigError) as caught:
        config.load(file, address=check)
    assert str(caught.value).replace(f"{tmp_path}/", "").startswith(said)


def test_without_a_check_any_address_is_taken(tmp_path: Path) -> None:
    file = tmp_path / "jobs.yaml"
    file.write_text('channels: {ops: "slakc://token"}\n' + JOBS)
    assert config.load(file).channels["ops"].urls == ("slakc://token",)


def test_what_is_known_only_later_is_not_checked(tmp_path: Path) -> None:
    file = tmp_path / "jobs.yaml"
    file.write_text("secrets: {url: {env: URL}}\nchannels: {ops: '${{ secrets.url }}'}\n" + JOBS)
    assert config.load(file, address=check).channels["ops"].urls == ("${{ secrets.url }}",)
