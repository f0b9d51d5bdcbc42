"""The contract of a trigger, as tests: subclass `TriggerSuite` and give it a `trigger` fixture.

    class TestMine(TriggerSuite):
        @pytest.fixture
        def trigger(self):
            return MyTrigger()

`stored = False` where yours has no JSON form: then only the memory store takes its jobs. `moments` are where it is
asked; give others where the interesting ones of your trigger lie elsewhere.
"""

from __future__ import annotations

import pickle
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, ClassVar

import pytest

from runner.moment import DAY, MICROSECOND, Moment, from_datetime
from runner.triggers import Trigger, load

_FIRST = from_datetime(datetime(2026, 1, 1, tzinfo=UTC))


class TriggerSuite:
    """The laws of `runner.triggers.Trigger`."""

    stored: ClassVar[bool] = True
    moments: ClassVar[Sequence[Moment]] = [
        _FIRST + number * 37 * DAY + number * 12_345_678_901 for number in range(60)
    ]

    @pytest.fixture
    def trigger(self) -> Any:
        raise LookupError("give the suite a trigger fixture")

    def test_a_firing_comes_after_the_moment_it_was_asked_for(self, trigger: Trigger) -> None:
        found = [(moment, trigger.next_after(moment)) for moment in self.moments]
        assert [(moment, after) for moment, after in found if after is not None and after <= moment] == []

    def test_nothing_lies_between_a_moment_and_its_firing(self, trigger: Trigger) -> None:
        for moment in self.moments:
            found = trigger.next_after(moment)
            if found is None:
                continue
            for between in (moment + (found - moment) // 3, found - MICROSECOND):
                if moment <= between < found:
                    assert trigger.next_after(between) == found, between

    def test_what_has_ended_stays_over(self, trigger: Trigger) -> None:
        over = False
        for moment in sorted(self.moments):
            found = trigger.next_after(moment)
            assert not (over and found is not None), moment
            over = over or found is None

    def test_the_answer_depends_on_the_moment_alone(self, trigger: Trigger) -> None:
        forwards = [trigger.next_after(moment) for moment in self.moments]
        backwards = [trigger.next_after(moment) for moment in reversed(self.moments)]
        assert forwards == backwards[::-1]

    def test_jitter_is_a_length_of_time(self, trigger: Trigger) -> None:
        slots = [found for moment in self.moments if (found := trigger.next_after(moment)) is not None]
        assert [slot for slot in slots if trigger.jitter_at(slot) < 0] == []

    def test_it_is_the_same_after_a_restart(self, trigger: Trigger) -> None:
        if not self.stored:
            with pytest.raises(TypeError, match="JSON"):
                trigger.to_json()
            return
        again = load(trigger.to_json())
        assert again.to_json() == trigger.to_json()
        assert [again.next_after(moment) for moment in self.moments] == [
            trigger.next_after(moment) for moment in self.moments
        ]

    def test_it_goes_to_another_process(self, trigger: Trigger) -> None:
        if not self.stored:
            return
        again = pickle.loads(pickle.dumps(trigger))
        moment = self.moments[0]
        assert again.next_after(moment) == trigger.next_after(moment)
