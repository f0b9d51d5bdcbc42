"""A curve as SVG: two logarithmic axes, a line per name, and nothing else."""

from __future__ import annotations

import math
from collections.abc import Iterable
from html import escape

from benchmarks.measure import Curve

WIDTH, HEIGHT = 640, 360
LEFT, RIGHT, TOP, BOTTOM = 70, 180, 36, 48
COLOURS = ("#1f6feb", "#d1242f", "#1a7f37", "#9a6700", "#8250df", "#57606a")


def svg(curve: Curve) -> str:
    points = [point for line in curve.lines.values() for point in line if point[0] > 0 and point[1] > 0]
    across = _Axis((x for x, _ in points), LEFT, WIDTH - RIGHT)
    up = _Axis((y for _, y in points), HEIGHT - BOTTOM, TOP)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
        f'font-family="sans-serif" font-size="12">',
        f"<title>{escape(curve.title)}</title>",
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>',
        _text(LEFT, 20, curve.title, weight="bold"),
        _text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 10, curve.x, anchor="middle"),
        f'<g transform="rotate(-90 16 {HEIGHT / 2})">{_text(16, HEIGHT / 2, curve.y, anchor="middle")}</g>',
    ]
    for tick in across.ticks:
        at = across.at(tick)
        parts.append(f'<path d="M{at:.1f} {TOP}V{HEIGHT - BOTTOM}" stroke="#d0d7de"/>')
        parts.append(_text(at, HEIGHT - BOTTOM + 16, f"{tick:,g}", anchor="middle"))
    for tick in up.ticks:
        at = up.at(tick)
        parts.append(f'<path d="M{LEFT} {at:.1f}H{WIDTH - RIGHT}" stroke="#d0d7de"/>')
        parts.append(_text(LEFT - 6, at + 4, f"{tick:,g}", anchor="end"))
    for number, (name, line) in enumerate(curve.lines.items()):
        colour = COLOURS[number % len(COLOURS)]
        found = [(across.at(x), up.at(y)) for x, y in line if x > 0 and y > 0]
        if not found:
            continue
        path = "L".join(f"{x:.1f} {y:.1f}" for x, y in found)
        parts.append(f'<path d="M{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>' for x, y in found]
        parts.append(_text(WIDTH - RIGHT + 12, TOP + 14 + 18 * number, name, fill=colour))
    return "\n".join([*parts, "</svg>"]) + "\n"


class _Axis:
    """From values to places, by powers of ten."""

    def __init__(self, values: Iterable[float], begin: float, end: float) -> None:
        found = [math.log10(value) for value in values] or [0.0]
        self.low, self.high = math.floor(min(found) + 1e-9), math.ceil(max(found) - 1e-9)
        self.high = max(self.high, self.low + 1)
        self.begin, self.end = begin, end
        self.ticks = [10.0**power for power in range(self.low, self.high + 1)]

    def at(self, value: float) -> float:
        share = (math.log10(value) - self.low) / (self.high - self.low)
        return self.begin + share * (self.end - self.begin)


def _text(
    x: float, y: float, text: str, *, anchor: str = "start", fill: str = "#1f2328", weight: str = "normal"
) -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{fill}" font-weight="{weight}">'
        f"{escape(text)}</text>"
    )
