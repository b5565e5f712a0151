"""Label maps to look at, beside the page's numbers."""

from __future__ import annotations

import base64
from pathlib import Path

from markupsafe import Markup

from dta_bench.report.document.report import Report
from dta_bench.report.document.run_details import Picture
from dta_bench.report.html.page import Figure, Section


def scenes_section(report: Report) -> Section | None:
    """The pictures that :mod:`dta_bench.report.features.label_strips` has drawn, inside the page."""
    pictures = [picture for picture in report.pictures or [] if Path(picture.path).is_file()]
    if not pictures:
        return None
    words = ["The scenes are spread evenly over target test; then, of each class, the image with the lowest IoU."]
    figures = [Figure(_inline_image(picture), picture.caption) for picture in pictures]
    return Section("scenes", "Scenes", words, figures=figures)


def _inline_image(picture: Picture) -> Markup:
    content = base64.b64encode(Path(picture.path).read_bytes()).decode()
    image = Markup('<img alt="{}" style="max-width: 100%" src="data:image/png;base64,{}">')
    return image.format(picture.caption, content)
