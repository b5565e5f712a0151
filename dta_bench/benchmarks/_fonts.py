"""Draw digits from the fonts that matplotlib ships: the source of a synthetic-to-real pair."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from dta_bench.domains.images import Image

if TYPE_CHECKING:
    from PIL import ImageFont

GLYPHS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
SIDE = 28  # pixels
POINT_SIZE = 48  # glyphs are drawn large and shrunk by the warp to about 20 pixels


def fonts_with_digits() -> list[Path]:
    """matplotlib's fonts whose characters 0..9 are glyphs *named* zero..nine, sorted by file name.

    This excludes symbol fonts (with arrows and brackets at those codes), fonts with old-style figures, and LastResort
    (which has one box for all characters).
    """
    from matplotlib import get_data_path

    return [font for font in sorted(Path(get_data_path(), "fonts", "ttf").glob("*.ttf")) if _has_digits(font)]


def _has_digits(path: Path) -> bool:
    from matplotlib.ft2font import FT2Font

    font = FT2Font(str(path))
    glyphs = font.get_charmap()
    codes = range(ord("0"), ord("9") + 1)
    return tuple(font.get_glyph_name(glyphs[c]) if c in glyphs else "" for c in codes) == GLYPHS


def draw(per_class: int, seed: int) -> tuple[list[Image], NDArray[np.int64]]:
    """Draw ``per_class`` images of each digit.

    Each has a random font, stroke width, height (17 to 21 pixels), aspect ratio, rotation (deviation 8 degrees), shear,
    shift (up to 1.5 pixels), blur, contrast and pixel noise, all drawn from one generator with this seed.

    Returns:
        Images (28, 28, 1), white on black, and labels (10 * per_class,), class after class.
    """
    from PIL import ImageFont

    fonts = [ImageFont.truetype(str(path), POINT_SIZE) for path in fonts_with_digits()]
    rng = np.random.default_rng(seed)
    labels = np.repeat(np.arange(10, dtype=np.int64), per_class)
    return [_render(str(label), fonts[rng.integers(len(fonts))], rng) for label in labels], labels


def _render(text: str, font: ImageFont.FreeTypeFont, rng: np.random.Generator) -> Image:
    """Draw one image. It is blurred and warped in 8 bits, so that processors differ little in floating point."""
    import cv2

    glyph = _glyph(text, font, stroke=int(rng.choice([0, 0, 0, 1, 2])))
    scale = rng.uniform(17, 21) / glyph.shape[0]
    matrix = _placement(glyph.shape, scale, rng)
    softened = cv2.GaussianBlur(glyph, (0, 0), rng.uniform(0.35, 0.9) / scale)
    small = cv2.warpAffine(softened, matrix, (SIDE, SIDE), flags=cv2.INTER_LINEAR)
    noisy = small * rng.uniform(0.6, 1.0) + rng.normal(0, rng.uniform(0, 12), small.shape)
    image: Image = np.clip(noisy.round(), 0, 255).astype(np.uint8)[:, :, None]
    return image


def _glyph(text: str, font: ImageFont.FreeTypeFont, stroke: int) -> NDArray[np.uint8]:
    """The glyph of a text, white on black, cropped to its bounding box."""
    from PIL import Image as Picture
    from PIL import ImageDraw

    canvas = Picture.new("L", (3 * POINT_SIZE, 3 * POINT_SIZE))
    ImageDraw.Draw(canvas).text((POINT_SIZE, POINT_SIZE // 2), text, fill=255, font=font, stroke_width=stroke)
    return np.asarray(canvas.crop(canvas.getbbox()), dtype=np.uint8)


def _placement(shape: tuple[int, ...], scale: float, rng: np.random.Generator) -> NDArray[np.float64]:
    """A random 2 x 3 matrix that rotates, shears and scales the glyph, and moves its middle near that of the image."""
    angle, shear, aspect = np.radians(rng.normal(0, 8)), rng.uniform(-0.25, 0.25), rng.uniform(0.8, 1.15)
    rotation = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    linear = rotation @ np.array([[aspect, shear], [0.0, 1.0]]) * scale
    middle = np.array([shape[1] - 1, shape[0] - 1]) / 2
    shift = (SIDE - 1) / 2 + rng.uniform(-1.5, 1.5, 2) - linear @ middle
    return np.column_stack([linear, shift])
