"""The collector is held back for a moment, and afterwards it is as it was: the process may be somebody else's."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest

from runner.collector import SELDOM, Seldom, held


@pytest.fixture(autouse=True)
def as_it_was() -> Iterator[None]:
    enabled, thresholds = gc.isenabled(), gc.get_threshold()
    gc.enable()
    yield
    gc.set_threshold(*thresholds)
    gc.enable() if enabled else gc.disable()


def test_it_collects_seldom_within_and_as_before_afterwards() -> None:
    gc.set_threshold(700, 9, 8)
    seldom = Seldom()
    with pytest.raises(ValueError, match="within"), seldom:
        assert gc.get_threshold() == (SELDOM, 9, 8)
        assert gc.isenabled()
        raise ValueError("within")
    assert gc.get_threshold() == (700, 9, 8)


def test_the_last_to_leave_sets_it_back() -> None:
    """Two schedulers in two threads: who came first need not leave last."""
    gc.set_threshold(700, 10, 10)
    seldom = Seldom()
    seldom.__enter__()
    seldom.__enter__()
    seldom.__exit__(None, None, None)
    assert gc.get_threshold() == (SELDOM, 10, 10)
    seldom.__exit__(None, None, None)
    assert gc.get_threshold() == (700, 10, 10)


@pytest.mark.parametrize("usual", [(0, 10, 10), (10 * SELDOM, 10, 10)])
def test_who_collects_more_seldom_still_or_never_keeps_to_it(usual: tuple[int, int, int]) -> None:
    gc.set_threshold(*usual)
    with Seldom():
        assert gc.get_threshold() == usual
    assert gc.get_threshold() == usual


def test_what_the_program_sets_meanwhile_stays() -> None:
    gc.set_threshold(700, 10, 10)
    with Seldom():
        gc.set_threshold(5_000, 10, 10)
    assert gc.get_threshold() == (5_000, 10, 10)


@pytest.mark.parametrize("enabled", [True, False])
def test_loading_holds_it_off_and_leaves_it_as_it_was(enabled: bool) -> None:
    gc.enable() if enabled else gc.disable()
    with held():
        assert not gc.isenabled()
    assert gc.isenabled() is enabled
