from __future__ import annotations

import os
import threading

import pytest

from runner.clock import Alarm, SystemClock, VirtualClock
from runner.moment import HOUR, MILLISECOND, SECOND
from tests.waiting import PATIENCE


def test_the_alarm_rings_when_its_span_has_passed() -> None:
    clock, alarm = SystemClock(), Alarm()
    before = clock.elapsed()
    alarm.wait(20 * MILLISECOND)
    assert clock.elapsed() - before >= 20 * MILLISECOND
    alarm.close()


def test_a_rest_lasts_its_span_and_leaves_rings_for_the_next_wait() -> None:
    clock, alarm = SystemClock(), Alarm()
    alarm.ring()
    before = clock.elapsed()
    alarm.rest(10 * MILLISECOND)
    assert clock.elapsed() - before >= 10 * MILLISECOND
    alarm.wait(None)
    alarm.close()


def test_a_ring_from_another_thread_ends_an_endless_wait() -> None:
    alarm = Alarm()
    waiting = threading.Thread(target=alarm.wait, args=(None,))
    waiting.start()
    alarm.ring()
    waiting.join(PATIENCE)
    assert not waiting.is_alive()
    alarm.close()


def test_a_ring_before_the_wait_is_kept_and_used_up_once() -> None:
    clock, alarm = SystemClock(), Alarm()
    alarm.ring()
    alarm.ring()
    alarm.wait(None)
    before = clock.elapsed()
    alarm.wait(10 * MILLISECOND)
    assert clock.elapsed() - before >= 10 * MILLISECOND
    alarm.close()


@pytest.mark.parametrize("after", [False, True], ids=["before the read", "after it"])
def test_a_ring_while_the_waiter_wakes_does_not_silence_the_next(
    after: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    alarm = Alarm()
    read = os.read

    def rung_meanwhile(descriptor: int, size: int) -> bytes:
        if not after:
            alarm.ring()
        try:
            return read(descriptor, size)
        finally:
            if after:
                alarm.ring()

    alarm.ring()
    with monkeypatch.context() as patched:
        patched.setattr("runner.clock.os.read", rung_meanwhile)
        alarm.wait(None)
    waiting = threading.Thread(target=alarm.wait, args=(None,), daemon=True)
    waiting.start()
    alarm.ring()
    waiting.join(PATIENCE)
    assert not waiting.is_alive()


def test_a_span_of_nothing_returns_at_once() -> None:
    alarm = Alarm()
    alarm.wait(0)
    alarm.close()


def test_a_virtual_clock_moves_only_when_it_is_moved() -> None:
    clock = VirtualClock(5 * SECOND)
    clock.advance(HOUR)
    assert (clock.now(), clock.elapsed()) == (5 * SECOND + HOUR, HOUR)
    clock.advance_to(2 * HOUR)
    assert clock.now() == 2 * HOUR


def test_setting_the_wall_lets_no_time_pass() -> None:
    clock = VirtualClock(HOUR)
    clock.set_wall(0)
    assert (clock.now(), clock.elapsed()) == (0, 0)


def test_virtual_time_cannot_go_backwards() -> None:
    with pytest.raises(
        ValueError, match="time can't go backwards; set_wall\\(\\) moves the wall clock alone"
    ):
        VirtualClock(HOUR).advance(-1)


def test_elapsed_never_goes_back() -> None:
    clock = SystemClock()
    readings = [clock.elapsed() for _ in range(1000)]
    assert readings == sorted(readings)
