"""Another user's state is not read, and that is said: it is not as if nothing had run."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from runner.cli import reading
from runner.errors import RunnerError
from runner.service.health import why_unknown
from runner.service.place import Place

NOBODY = 65534


@pytest.fixture
def place() -> Iterator[Place]:
    """A state directory where everybody finds it, and only its owner reads it; asked as another user."""
    if os.geteuid() != 0:
        pytest.skip("only root can become another user")
    with tempfile.TemporaryDirectory(dir="/tmp") as state:
        (Path(state) / "runner.db").touch()
        os.seteuid(NOBODY)
        try:
            yield Place(Path("/jobs.yaml"), Path(state), f"sqlite:///{state}/runner.db")
        finally:
            os.seteuid(0)


def test_history_that_may_not_be_read_is_not_taken_for_none(place: Place) -> None:
    with pytest.raises(RunnerError) as caught, reading.opened(place):
        pytest.fail("it was opened")
    assert str(caught.value) == (
        f"the state in {place.state} cannot be read: Permission denied "
        "(only the user whose runner it is may read it)"
    )


def test_a_health_check_of_another_users_runner_says_that_it_may_not_look(place: Place) -> None:
    assert why_unknown(place.state) == f"the state in {place.state} cannot be read: Permission denied"


def test_root_is_told_whose_state_it_is(place: Place) -> None:
    assert place.foreign() == ""
    os.seteuid(0)
    assert place.foreign() == ""
    os.chown(place.state, NOBODY, NOBODY)
    assert place.foreign() == (
        f"{place.state} belongs to nobody, who cannot read what root writes there; run as nobody"
    )


def test_a_state_directory_of_another_user_is_not_taken(place: Place) -> None:
    with pytest.raises(RunnerError) as caught:
        place.make()
    assert caught.value.fact == f"the state directory {place.state} belongs to another user"
