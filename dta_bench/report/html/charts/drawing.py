"""SVG built element by element: the XML library escapes every text and every address."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from xml.etree import ElementTree

from markupsafe import Markup


@dataclass(frozen=True)
class Scale:
    """A linear map of values ``low``..``high`` to pixels ``start``..``end``."""

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        span = self.high - self.low
        share = (value - self.low) / span if span else 0.5
        return round(self.start + share * (self.end - self.start), 2)

    def ticks(self, count: int = 5) -> list[float]:
        """Round values within the scale, about ``count`` of them."""
        from matplotlib.ticker import MaxNLocator

        ticks = MaxNLocator(nbins=count, steps=[1, 2, 2.5, 5, 10]).tick_values(self.low, self.high)
        slack = 1e-6 * (self.high - self.low)
        return [float(t) for t in ticks if self.low - slack <= t <= self.high + slack]


class Drawing:
    """An SVG picture; ``label`` says in words what it shows, for those who do not see it."""

    def __init__(self, width: float, height: float, label: str) -> None:
        self.width, self.height = width, height
        box = f"0 0 {_n(width)} {_n(height)}"
        self.root = ElementTree.Element("svg", {"viewBox": box, "width": _n(width), "role": "img", "aria-label": label})
        self._at = self.root

    def linked(self, address: str | None) -> Drawing:
        """The same picture, on which everything drawn is a link to ``address``; no link if it is None."""
        if address is None:
            return self
        other = Drawing.__new__(Drawing)
        other.width, other.height, other.root = self.width, self.height, self.root
        other._at = ElementTree.SubElement(self._at, "a", {"href": address})
        return other

    def grouped(self, series: str, hidden: bool = False) -> Drawing:
        """The same picture, on which everything drawn belongs to a series that a reader shows and hides by its name."""
        other = Drawing.__new__(Drawing)
        other.width, other.height, other.root = self.width, self.height, self.root
        attributes = {"data-series": series} | ({"hidden": ""} if hidden else {})
        other._at = ElementTree.SubElement(self._at, "g", attributes)
        return other

    def text(self, x: float, y: float, text: str, *, anchor: str = "start", look: str = "", turn: float = 0) -> None:
        """A line of text whose baseline starts (or ends, or is centred) at (x, y)."""
        attributes = {"x": _n(x), "y": _n(y), "text-anchor": anchor, "class": look}
        if turn:
            attributes["transform"] = f"rotate({_n(turn)} {_n(x)} {_n(y)})"
        self._add("text", attributes).text = text

    def line(self, x1: float, y1: float, x2: float, y2: float, look: str = "axis", width: float | None = None) -> None:
        """A straight line."""
        ends = {"x1": _n(x1), "y1": _n(y1), "x2": _n(x2), "y2": _n(y2), "class": look}
        self._add("line", ends | ({"stroke-width": _n(width)} if width else {}))

    def path(self, points: Iterable[tuple[float, float]], look: str, tip: str = "", opacity: float = 1) -> None:
        """A line through points."""
        joined = " L".join(f"{_n(x)} {_n(y)}" for x, y in points)
        self._tip(self._add("path", {"d": f"M{joined}", "class": look} | _opacity(opacity)), tip)

    def area(self, points: Sequence[tuple[float, float]], look: str, opacity: float = 0.15) -> None:
        """A filled shape."""
        joined = " ".join(f"{_n(x)},{_n(y)}" for x, y in points)
        self._add("polygon", {"points": joined, "class": look} | _opacity(opacity))

    def rect(
        self, x: float, y: float, width: float, height: float, look: str, tip: str = "", opacity: float = 1
    ) -> None:
        """A rectangle by its upper left corner."""
        box = {"x": _n(x), "y": _n(y), "width": _n(max(width, 0)), "height": _n(max(height, 0)), "class": look}
        self._tip(self._add("rect", box | _opacity(opacity)), tip)

    def mark(self, x: float, y: float, shape: int, look: str, tip: str = "") -> None:
        """A small filled mark; ``shape`` counts from 1: circle, square, diamond, triangle, then again."""
        r = 4.5
        kind = (shape - 1) % 4
        if kind == 0:
            element = self._add("circle", {"cx": _n(x), "cy": _n(y), "r": _n(r), "class": look})
        else:
            corners = {
                1: ((-r, -r), (r, -r), (r, r), (-r, r)),
                2: ((0, -1.3 * r), (1.3 * r, 0), (0, 1.3 * r), (-1.3 * r, 0)),
                3: ((0, -1.2 * r), (1.2 * r, r), (-1.2 * r, r)),
            }[kind]
            points = " ".join(f"{_n(x + dx)},{_n(y + dy)}" for dx, dy in corners)
            element = self._add("polygon", {"points": points, "class": look})
        self._tip(element, tip)

    def svg(self) -> Markup:
        """The picture as an element of an HTML page."""
        return Markup(ElementTree.tostring(self.root, encoding="unicode", short_empty_elements=True))

    def _add(self, kind: str, attributes: dict[str, str]) -> ElementTree.Element:
        return ElementTree.SubElement(self._at, kind, {k: v for k, v in attributes.items() if v != ""})

    @staticmethod
    def _tip(element: ElementTree.Element, text: str) -> None:
        if text:
            ElementTree.SubElement(element, "title").text = text


def spell_tick(value: float) -> str:
    """A tick's number, as short as it can be."""
    return f"{value:g}" if math.isfinite(value) else "-"


def _opacity(value: float) -> dict[str, str]:
    return {} if value == 1 else {"opacity": f"{value:.2f}"}


def _n(value: float) -> str:
    return f"{round(value, 1):g}"
