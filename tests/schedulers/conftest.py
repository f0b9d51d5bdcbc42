"""Schedulers on a clock that tests move."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.schedulers.moved import Moved


@pytest.fixture
def moved() -> Iterator[Callable[..., Moved]]:
    made: list[Moved] = []

    def make(*, start: bool = True, **options: Any) -> Moved:
        one = Moved(**options)
        made.append(one)
        if start:
            one.scheduler.start()
        return one

    yield make
    for one in made:
        if one.scheduler.running:
            one.scheduler.shutdown(wait=False)
