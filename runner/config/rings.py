"""Circles among things that name each other."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping


def first_ring(named: Mapping[str, Iterable[str]]) -> list[str]:
    """A way from one of these back to itself, both ends named; empty where there is none. Each is visited once."""
    done: set[str] = set()
    for start in named:
        if start in done:
            continue
        chain, at = [start], {start: 0}
        rest: list[Iterator[str]] = [iter(named[start])]
        while chain:
            following = next(rest[-1], None)
            if following is None:
                done.add(chain[-1])
                del at[chain.pop()]
                rest.pop()
            elif following in at:
                return [*chain[at[following] :], following]
            elif following in named and following not in done:
                at[following] = len(chain)
                chain.append(following)
                rest.append(iter(named[following]))
    return []
