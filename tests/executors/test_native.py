from __future__ import annotations

import pytest

from runner.executors.native import Inherited


def test_a_starts_own_variables_stand_for_inherited_ones_of_the_same_name() -> None:
    inherited = Inherited({"PATH": "/bin", "NAME": "Zo\udce9", "EMPTY": ""})
    assert list(inherited.with_own({"NAME": "Ada=1", "NEW": "a\nb"})) == [
        b"PATH=/bin",
        b"NAME=Ada=1",
        b"EMPTY=",
        b"NEW=a\nb",
        None,
    ]
    assert list(inherited.with_own({"NEW": "1", "NEXT": ""})) == [
        b"PATH=/bin",
        b"NAME=Zo\xe9",
        b"EMPTY=",
        b"NEW=1",
        b"NEXT=",
        None,
    ]
    assert list(inherited.with_own({})) == [b"PATH=/bin", b"NAME=Zo\xe9", b"EMPTY=", None]
    assert list(Inherited({}).with_own({})) == [None]


def test_a_value_that_holds_the_end_of_a_text_is_refused() -> None:
    with pytest.raises(ValueError, match="embedded null byte"):
        Inherited({}).with_own({"NAME": "a\0b"})
