"""A page that shows the images of a list, each with its path; it needs no network and no other file."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
from jinja2 import Environment, PackageLoader, StrictUndefined

from dta_bench.domains.images import Image
from dta_bench.errors import UserError

SIDE = 192  # pixels of an image's longer side on the page


@dataclass(frozen=True)
class Picture:
    """An image as JPEG in base 64, empty if it cannot be read, and its path."""

    path: str
    data: str


def contact_sheet(title: str, words: str, paths: Sequence[str], images: Sequence[Image]) -> tuple[str, list[str]]:
    """The page.

    Args:
        title: its heading.
        words: what the user is asked to do.
        paths: the images' paths as the list has them.
        images: the images, each read when it is drawn.

    Returns:
        HTML, and the paths of the images that cannot be read.
    """
    pictures = [Picture(path, _jpeg(images, i)) for i, path in enumerate(paths)]
    environment = Environment(
        loader=PackageLoader("dta_bench.report.html"), autoescape=True, undefined=StrictUndefined, trim_blocks=False
    )
    page = environment.get_template("contact_sheet.html").render(
        title=title, words=words, pictures=pictures, side=SIDE
    )  # fmt: skip
    return page, [picture.path for picture in pictures if not picture.data]


def _jpeg(images: Sequence[Image], index: int) -> str:
    try:
        image = images[index]
    except UserError:
        return ""
    height, width = image.shape[:2]
    scale = SIDE / max(height, width)
    size = max(1, round(width * scale)), max(1, round(height * scale))
    small = cv2.resize(image, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
    _, encoded = cv2.imencode(".jpg", cv2.cvtColor(small, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, 85])
    return base64.b64encode(encoded.tobytes()).decode("ascii")
