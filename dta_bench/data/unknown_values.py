"""Tell which values of label maps stand for no class, how many pixels are ignored for it, and why they may be there."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from dta_bench.domains.images import LabelledImages, SelectedItems
from dta_bench.domains.label_maps import LabelMaps, ReadMap, Value

TOLD_FROM = 0.01  # of a set's pixels; fewer unknown ones are counted in the JSON output alone
MIXTURES_LOOKED_AT = 200  # the most frequent unknown colours
MAX_LISTED = 5  # of many values, the most frequent are listed


def read_map(images: LabelledImages, index: int) -> ReadMap:
    """Read a label map; maps that are not this package's have no unknown values."""
    labels: Any = images.labels
    while isinstance(labels, SelectedItems):
        labels, index = labels.locate(index)
    return labels.read(index) if isinstance(labels, LabelMaps) else ReadMap(np.asarray(labels[index]), {}, False)


@dataclass
class UnknownValues:
    """Values of no class in the label maps of a set.

    Attributes:
        pixels: all pixels of the set.
        counts: the pixels of each unknown value.
        jpegs: how many maps are JPEGs.
        known_colours: the colours of classes.
    """

    pixels: int = 0
    counts: Counter[Value] = field(default_factory=Counter)
    jpegs: int = 0
    known_colours: frozenset[Value] = frozenset()

    @property
    def share(self) -> float:
        """The share of the pixels that stand for no class."""
        return self.counts.total() / self.pixels if self.pixels else 0.0

    def as_json(self) -> dict[str, Any]:
        """Pixels, share and the most frequent values, for ``--json``."""
        values = {str(value): count for value, count in self.counts.most_common(MAX_LISTED)}
        return {
            "pixels": self.counts.total(), "share": self.share, "different_values": len(self.counts), "values": values
        }  # fmt: skip


def collect(images: LabelledImages, maps: Iterable[tuple[int, dict[Value, int], bool]]) -> UnknownValues:
    """Add up what the maps of a set hold.

    Args:
        images: the set.
        maps: of each map its pixels, its unknown values, and whether it is a JPEG.
    """
    labels: Any = images.labels
    while isinstance(labels, SelectedItems):
        labels = labels.items
    colours = labels.colours if isinstance(labels, LabelMaps) else None
    total = UnknownValues(known_colours=frozenset(colours or ()))
    for pixels, counts, is_jpeg in maps:
        total.pixels += pixels
        total.counts.update(counts)
        total.jpegs += is_jpeg
    return total


def describe(name: str, unknown: UnknownValues) -> tuple[list[str], list[str]]:
    """Notes and problems of one set.

    Values that look damaged are a problem. A few exact values may be classes that the pair leaves out on purpose, so
    they are a note.
    """
    if unknown.share <= TOLD_FROM:
        return [], []
    listed = ", ".join(f"{value} ({count:,} pixels)" for value, count in unknown.counts.most_common(MAX_LISTED))
    more = f" and {len(unknown.counts) - MAX_LISTED:,} more values" if len(unknown.counts) > MAX_LISTED else ""
    opening = f"{name}: {100 * unknown.share:.1f} % of the pixels are ignored, for their values stand for no class: "
    cause = _damage(unknown)
    if cause:
        return [], [f"{opening}{listed}{more}. {cause}"]
    return [
        f"{opening}{listed}{more}. If one of them is a class, name it in values or colours; if maps were "
        "resized with interpolation, resize them with nearest neighbour"
    ], []


def _damage(unknown: UnknownValues) -> str:
    """The likely cause, if the values cannot be meant so; else empty."""
    if unknown.jpegs:
        return f"{unknown.jpegs:,} of the maps are JPEGs, whose compression changes values: save label maps as PNG"
    mirrored = [value for value in unknown.counts if isinstance(value, tuple) and value[::-1] in unknown.known_colours]
    if mirrored:
        return f"{mirrored[0]} is a class's colour with red and blue exchanged: mend the colours or the files"
    if _mixed_share(unknown) > 0.5:
        return (
            "Most of them lie between two classes' colours, as after resizing with interpolation: resize label maps "
            "with nearest neighbour"
        )
    return ""


def _mixed_share(unknown: UnknownValues) -> float:
    """The share of the unknown pixels whose colour lies on the line between the colours of two classes."""
    colours = np.array([value for value in unknown.known_colours if isinstance(value, tuple)], dtype=np.float64)
    frequent = [(value, n) for value, n in unknown.counts.most_common(MIXTURES_LOOKED_AT) if isinstance(value, tuple)]
    if len(colours) < 2 or not frequent:
        return 0.0
    one, other = (colours[index] for index in np.triu_indices(len(colours), 1))
    line = other - one
    mixed = 0
    for value, count in frequent:
        offset = np.array(value) - one
        part = ((offset * line).sum(axis=1) / (line**2).sum(axis=1))[:, None]
        near = (np.abs(offset - part * line) <= 1.5).all(axis=1) & (part[:, 0] > 0) & (part[:, 0] < 1)
        mixed += count * bool(near.any())
    return mixed / sum(count for _, count in frequent)
