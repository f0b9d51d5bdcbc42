"""The agenda, beside a list that is sorted each time it is asked."""

from __future__ import annotations

import random

from hypothesis import given, settings
from hypothesis import strategies as st

from runner.core.agenda import Agenda


@given(st.integers(0, 2**32))
@settings(max_examples=200, deadline=None)
def test_it_knows_the_earliest_moment_and_gives_each_subject_once(seed: int) -> None:
    chance = random.Random(seed)
    agenda, plain = Agenda(), dict[str, int]()
    now = 0
    for _ in range(chance.randrange(10, 300)):
        subject, dice = f"s{chance.randrange(8)}", chance.random()
        if dice < 0.6:
            moment = now + chance.randrange(-2, 12)
            agenda.put(subject, moment)
            plain[subject] = moment
        elif dice < 0.75:
            agenda.put(subject, None)
            plain.pop(subject, None)
        elif dice < 0.9:
            now += chance.randrange(6)
            due = {subject: moment for subject, moment in plain.items() if moment <= now}
            taken = list(agenda.take(now))
            assert sorted(map(str, taken)) == sorted(due)
            assert [due[str(subject)] for subject in taken] == sorted(due.values())
            for subject in due:
                del plain[subject]
        assert agenda.first() == min(plain.values(), default=None)
        assert len(agenda) == len(plain)


def test_subjects_of_one_moment_come_in_the_order_they_were_put() -> None:
    agenda = Agenda()
    for subject in "cab":
        agenda.put(subject, 5)
    assert list(agenda.take(5)) == ["c", "a", "b"]
    assert agenda.first() is None


def test_subjects_of_one_moment_come_by_rank_and_then_in_the_order_they_were_put() -> None:
    agenda = Agenda()
    ranks = {"a": 0, "b": 2, "c": 0, "d": 2, "earlier": -1}
    for subject in ("a", "b", "c", "d"):
        agenda.put(subject, 5)
    agenda.put("earlier", 4)
    found = []
    for taken in agenda.take(5, ranks.__getitem__):
        found.append(taken)
        if taken == "b":
            agenda.put("d", None)
            agenda.put("e", 5)
    assert found == ["earlier", "b", "a", "c", "e"]


def test_what_is_put_while_it_is_taken_from_is_taken_too_the_earliest_first() -> None:
    agenda = Agenda()
    for subject in ("a", "b", "c"):
        agenda.put(subject, 5)
    found = []
    for taken in agenda.take(9):
        found.append(taken)
        if taken == "a":
            agenda.put("late", 7)
            agenda.put("early", 4)
            agenda.put("same", 5)
            agenda.put("never", 10)
            agenda.put("c", None)
            for number in range(200):  # more old entries than it keeps
                agenda.put("mover", 100 + number)
    assert found == ["a", "early", "b", "same", "late"]
    assert agenda.first() == 10


def test_old_entries_do_not_pile_up() -> None:
    agenda = Agenda()
    for number in range(10_000):
        agenda.put("moved", number % 977)
        agenda.put("other", number)
    assert agenda._count < 200
    assert len(agenda) == 2


def test_how_many_meet_at_the_earliest_moment() -> None:
    agenda = Agenda()
    assert agenda.crowd() == 0
    agenda.put("a", 5)
    assert agenda.crowd() == 1
    for each in "bcd":
        agenda.put(each, 5)
    agenda.put("late", 9)
    assert agenda.crowd() == 4
    assert list(agenda.take(5)) == ["a", "b", "c", "d"]
    assert agenda.first() == 9
    assert agenda.crowd() == 1
