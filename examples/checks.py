"""A function that examples/jobs.yaml calls: an ordinary module beside the file."""

from __future__ import annotations


def fibonacci(n: int) -> dict[str, int]:
    """The n-th Fibonacci number; what a function returns as a dict are the step's outputs."""
    a, b = 0, 1
    for _ in range(n):
        a, b = b, a + b
    print(f"fibonacci({n}) = {a}")
    return {"value": a}
