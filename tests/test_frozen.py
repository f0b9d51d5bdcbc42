"""`frozen` is the standard library's frozen dataclass, but for how quickly it is made."""

from __future__ import annotations

import copy
import dataclasses
import pickle
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from runner.frozen import frozen, maker, replace


@frozen
class Quick:
    name: str
    size: int = 3
    parts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Plain:
    name: str
    size: int = 3
    parts: Mapping[str, Any] = field(default_factory=dict)


@frozen
class Checked:
    size: int

    def __post_init__(self) -> None:
        if self.size < 1:
            raise ValueError("too small")


def test_it_is_made_as_a_dataclass_is() -> None:
    for quick, plain in (
        (Quick("a"), Plain("a")),
        (Quick("a", 4, {"b": 1}), Plain("a", 4, {"b": 1})),
        (Quick(size=1, name="c"), Plain(size=1, name="c")),
    ):
        assert dataclasses.asdict(quick) == dataclasses.asdict(plain)
        assert repr(quick).replace("Quick", "Plain") == repr(plain)
    assert Quick("a").parts is not Quick("a").parts


def test_it_refuses_what_a_dataclass_refuses() -> None:
    for made in (Quick, Plain):
        with pytest.raises(TypeError, match="missing 1 required positional argument: 'name'"):
            made()  # type: ignore[call-arg]
        with pytest.raises(TypeError, match="unexpected keyword argument 'colour'"):
            made("a", colour="red")  # type: ignore[call-arg]


def test_nobody_changes_it_afterwards() -> None:
    value = Quick("a")
    with pytest.raises(dataclasses.FrozenInstanceError):
        value.size = 4  # type: ignore[misc]
    with pytest.raises(dataclasses.FrozenInstanceError):
        del value.size
    assert not hasattr(value, "__dict__")
    assert type(value) is Quick


def test_a_maker_gives_what_the_class_gives() -> None:
    make = maker(Quick)
    for quick, called in (
        (make("a"), Quick("a")),
        (make("a", 4, {"b": 1}), Quick("a", 4, {"b": 1})),
        (make(size=1, name="c"), Quick(size=1, name="c")),
    ):
        assert quick == called
        assert type(quick) is Quick
        with pytest.raises(dataclasses.FrozenInstanceError):
            quick.size = 5  # type: ignore[misc]
    with pytest.raises(TypeError, match="missing 1 required positional argument: 'name'"):
        make()  # type: ignore[call-arg]
    assert maker(Checked)(2) == Checked(2)
    with pytest.raises(ValueError, match="too small"):
        maker(Checked)(0)


def test_it_is_equal_copied_and_pickled_by_its_fields() -> None:
    value = Quick("a", 4, {"b": [1]})
    assert value == Quick("a", 4, {"b": [1]}) != Quick("a", 5, {"b": [1]})
    assert copy.deepcopy(value) == value
    assert pickle.loads(pickle.dumps(value)) == value
    assert dataclasses.replace(value, size=9) == Quick("a", 9, {"b": [1]})


def test_replace_gives_another_value() -> None:
    value = Quick("a", 4, {"b": 1})
    other = replace(value, size=5)
    assert (other, value) == (Quick("a", 5, {"b": 1}), Quick("a", 4, {"b": 1}))
    assert type(other) is Quick
    with pytest.raises(dataclasses.FrozenInstanceError):
        other.size = 6  # type: ignore[misc]
    with pytest.raises(AttributeError):
        replace(value, colour="red")


def test_a_field_of_a_mutable_default_is_made_for_each() -> None:
    assert dict(Quick("a").parts) == {}
    assert Quick("a", parts={}) == Quick("a")


@frozen
class Keyed:
    name: str
    size: int = 3
    key: str = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "key", f"{self.name}/{self.size}")


def test_what_is_worked_out_after_the_making_is_worked_out_for_each_copy() -> None:
    value = Keyed("a")
    assert value.key == "a/3"
    assert replace(value, size=4).key == dataclasses.replace(value, size=4).key == "a/4"
    assert pickle.loads(pickle.dumps(value)).key == "a/3"
    assert repr(value) == "Keyed(name='a', size=3)"
    with pytest.raises(dataclasses.FrozenInstanceError):
        value.key = "b"  # type: ignore[misc]
    with pytest.raises(TypeError):
        Keyed("a", key="b")  # type: ignore[call-arg]
