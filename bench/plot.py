"""Lines over rows, both axes logarithmic, as SVG."""

from __future__ import annotations

import html
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

WIDTH, HEIGHT = 440, 330
LEFT, RIGHT, TOP, BOTTOM = 72, 26, 34, 46
# Told apart by people who see colours in other ways too (Okabe and Ito, "Color Universal Design", 2008).
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#666666")
_STYLE = "font-family:system-ui,sans-serif;font-size:12px"

Points = Sequence[tuple[float, float]]


@dataclass(frozen=True)
class Panel:
    """One diagram: name → its points; the label of the y axis."""

    title: str
    unit: str
    lines: Mapping[str, Points]


def draw(panels: Sequence[Panel]) -> str:
    """Diagrams side by side with one legend below; a line has the same colour in all."""
    names = list(dict.fromkeys(name for panel in panels for name in panel.lines))
    colours = {name: COLOURS[n % len(COLOURS)] for n, name in enumerate(names)}
    rows = math.ceil(len(names) / 3)
    width, height = WIDTH * len(panels), HEIGHT + 20 * rows + 14
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" '
             f'height="{height}" style="{_STYLE}">', f'<rect width="{width}" height="{height}" fill="white"/>']
    for n, panel in enumerate(panels):
        parts.append(f'<g transform="translate({WIDTH * n} 0)">{_panel(panel, colours)}</g>')
    for n, name in enumerate(names):
        x, y = 24 + (width - 40) / 3 * (n % 3), HEIGHT + 16 + 20 * (n // 3)
        parts.append(f'<line x1="{x:.0f}" y1="{y - 4}" x2="{x + 22:.0f}" y2="{y - 4}" stroke="{colours[name]}" '
                     f'stroke-width="2.5"/>{_text(x + 28, y, name, "start")}')
    return "\n".join([*parts, "</svg>\n"])


def _panel(panel: Panel, colours: dict[str, str]) -> str:
    points = [point for line in panel.lines.values() for point in line]
    if not points:
        return _text(WIDTH / 2, HEIGHT / 2, f"{panel.title}: not measured")
    x_low, x_high = _decades([x for x, _ in points])
    y_low, y_high = _decades([y for _, y in points])

    def at(x: float, y: float) -> tuple[float, float]:
        return (LEFT + (math.log10(x) - x_low) / (x_high - x_low) * (WIDTH - LEFT - RIGHT),
                HEIGHT - BOTTOM - (math.log10(y) - y_low) / (y_high - y_low) * (HEIGHT - TOP - BOTTOM))

    parts = [_text(WIDTH / 2, 20, panel.title, weight="bold"), _text(WIDTH / 2, HEIGHT - 10, "rows")]
    for power in range(x_low, x_high + 1):
        x, bottom = at(10.0**power, 10.0**y_low)
        parts.append(_rule(x, bottom, x, TOP) + _text(x, HEIGHT - BOTTOM + 18, short(10.0**power)))
    steps = (1, 2, 5) if y_high - y_low < 3 else (1,)
    for tick in (step * 10.0**power for power in range(y_low, y_high + 1) for step in steps):
        x, y = at(10.0**x_low, tick)
        if y >= TOP - 1:
            parts.append(_rule(x, y, WIDTH - RIGHT, y) + _text(x - 6, y + 4, f"{tick:,g} {panel.unit}", "end"))
    for name, line in panel.lines.items():
        placed = [at(x, y) for x, y in sorted(line)]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in placed)
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colours[name]}" stroke-width="2"/>')
        parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.5" fill="{colours[name]}"/>' for x, y in placed]
    return "".join(parts)


def _decades(values: Sequence[float]) -> tuple[int, int]:
    """The powers of ten around the values."""
    low, high = math.floor(math.log10(min(values)) + 1e-9), math.ceil(math.log10(max(values)) - 1e-9)
    return low, max(high, low + 1)


def short(number: float) -> str:
    """10 k, 1 M; small numbers as they are."""
    for size, unit in ((1e6, " M"), (1e3, " k")):
        if number >= size:
            return f"{number / size:g}{unit}"
    return f"{number:g}"


def _rule(x1: float, y1: float, x2: float, y2: float) -> str:
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="#ddd"/>'


def _text(x: float, y: float, text: str, anchor: str = "middle", weight: str = "normal") -> str:
    return (f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-weight="{weight}" fill="#222">'
            f"{html.escape(text)}</text>")
