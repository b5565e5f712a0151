"""Bars by class, one for each method; a reader shows and hides them by their names, and the others close up."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from xml.etree import ElementTree

from markupsafe import Markup

HEIGHT = 8
TICKS = (0, 25, 50, 75, 100)


@dataclass(frozen=True)
class ClassBars:
    """The bars of one method: its percentage (0 to 100) of each class, None for a class that it lacks."""

    name: str
    values: Sequence[float | None]
    look: int
    turn: int = 0
    """How often the colours had to be used before it; each time they are paler."""
    hidden: bool = False
    """Whether a reader has to show them first."""


def class_bars(classes: Sequence[str], methods: Sequence[ClassBars], title: str) -> Markup:
    """Draw a group of bars for each class, a line for each method in the same order, under a legend."""
    root = ElementTree.Element("div", {"class": "bars", "role": "img", "aria-label": title})
    legend = ElementTree.SubElement(root, "p", {"class": "legend"})
    for method in methods:
        entry = _of_series(ElementTree.SubElement(legend, "span"), method)
        _rect(ElementTree.SubElement(entry, "svg", {"viewBox": "0 0 12 10", "width": "12"}), 12, 10, method)
        ElementTree.SubElement(entry, "b").text = method.name
    for number, name in enumerate(classes):
        group = _row(root, name)
        for method in methods:
            if (value := method.values[number]) is not None:
                _bar(group, method, value, f"{name}, {method.name}: {value:.1f} %")
    axis = _row(root, "")
    for tick in TICKS:
        ElementTree.SubElement(axis, "i").text = f"{tick} %"
    axis.set("class", "stack ticks")
    return Markup(ElementTree.tostring(root, encoding="unicode", short_empty_elements=False))  # <span /> opens one


def _row(root: ElementTree.Element, name: str) -> ElementTree.Element:
    """A row with a class's name; what is drawn in it goes into the element that is returned."""
    row = ElementTree.SubElement(root, "div")
    ElementTree.SubElement(row, "span").text = name
    return ElementTree.SubElement(row, "div", {"class": "stack"})


def _bar(group: ElementTree.Element, method: ClassBars, value: float, tip: str) -> None:
    box = {"viewBox": f"0 0 100 {HEIGHT}", "preserveAspectRatio": "none"}
    bar = _of_series(ElementTree.SubElement(group, "svg", box), method)
    ElementTree.SubElement(_rect(bar, round(value, 2), HEIGHT, method), "title").text = tip


def _of_series(element: ElementTree.Element, method: ClassBars) -> ElementTree.Element:
    """The element, as a part of what a reader shows and hides by the method's name."""
    element.set("data-series", method.name)
    if method.hidden:
        element.set("hidden", "")
    return element


def _rect(at: ElementTree.Element, width: float, height: float, method: ClassBars) -> ElementTree.Element:
    return ElementTree.SubElement(
        at,
        "rect",
        {
            "width": f"{width:g}",
            "height": f"{height:g}",
            "class": f"f{method.look}" + (f" turn{method.turn}" if method.turn else ""),
        },
    )
