"""Names of metrics as MLflow takes them: characters that it refuses are written ``_xHHHH_``, and read back."""

from __future__ import annotations

import re

REFUSED = re.compile(
    r"[^/\w.\- :]"  # a character that MLflow refuses
    r"|_(?=x[0-9A-F]{4,6}_)"  # what looks like an escape, so that it is read back as it was
    r"|(?<![^/])\.{1,2}(?![^/])"  # the parts . and .. of a path
    r"|^/|/(?=/|\Z)"  # a part of a path that is empty
)
ESCAPE = re.compile(r"_x([0-9A-F]{4,6})_")


def encode(name: str) -> str:
    """A name that MLflow takes; most names stay as they are."""
    return REFUSED.sub(lambda found: "".join(f"_x{ord(character):04X}_" for character in found[0]), name)


def decode(stored: str) -> str:
    """The name of which :func:`encode` made ``stored``."""
    return ESCAPE.sub(lambda found: chr(int(found[1], 16)) if int(found[1], 16) < 0x110000 else found[0], stored)
