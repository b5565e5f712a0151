"""Label maps to look at, beside the page's numbers."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

from markupsafe import Markup

from dta_bench.report.html.page import Figure, Section


def scenes(found: dict[str, Any]) -> Section | None:
    """The pictures that :mod:`dta_bench.report.features.label_strips` has drawn, inside the page."""
    drawn = [one for one in found.get("pictures", []) if Path(one["path"]).is_file()]
    if not drawn:
        return None
    figures = [Figure(_inside(Path(one["path"]), one["caption"]), one["caption"]) for one in drawn]
    words = ["Chosen without looking: the scenes are spread evenly over target test, the worst are the worst."]
    return Section("scenes", "Scenes", words, figures=figures)


def _inside(path: Path, told: str) -> Markup:
    content = base64.b64encode(path.read_bytes()).decode()
    return Markup('<img alt="{}" style="max-width: 100%" src="data:image/png;base64,{}">').format(told, content)
