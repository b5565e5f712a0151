"""Where the code of a user's plug-in failed, and the cure where it is known, in one sentence for its author."""

from __future__ import annotations

import difflib
import re
import traceback
from collections.abc import Collection, Iterable
from pathlib import Path
from types import TracebackType

CURES = (
    (
        r"Target 255 is out of bounds",
        "label maps hold 255 where nothing is labelled: give the loss ignore_index=255 or, if the method is for"
        ' classification alone, write tasks = ("classification",) at the top of the file',
    ),
    (
        r"Expected all tensors to be on the same device",
        "make new tensors on the device of the images: torch.zeros(..., device=images.device)",
    ),
    (
        r"does not require grad and does not have a grad_fn",
        "the loss has to depend on the network: take no .item() or .detach() of all of it",
    ),
    (
        r"modified by an inplace operation",
        "later passes need that tensor: write x = x + y for x += y, and inplace=False for activations",
    ),
)
"""What an error says → what mends it."""


def explain(error: BaseException, files: Collection[Path]) -> str:
    """Say where one of ``files`` failed, and the cure where it is known; empty if none of them was running.

    Returns:
        ``methods/mine.py, line 12: AttributeError: 'Params' object has no attribute 'weigth'; did you mean weight?``
    """
    names = {str(file) for file in files}
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename in names]
    if not frames:
        return ""
    said = str(error).partition("\n")[0].rstrip(" .")
    return f"{frames[-1].filename}, line {frames[-1].lineno}: {type(error).__name__}: {said}{cure(error, names)}"


def cure(error: BaseException, files: Collection[str]) -> str:
    """What mends an error, with ``; `` before it; empty where that is not known.

    Args:
        files: of plug-ins, whose names may be those that a misspelt name meant.
    """
    for pattern, cure in CURES:
        if re.search(pattern, str(error)):
            return f"; {cure}"
    if isinstance(error, AttributeError) and error.name:
        return _did_you_mean(error.name, [name for name in dir(error.obj) if not name.startswith("_")])
    if isinstance(error, NameError) and error.name:
        return _did_you_mean(error.name, _names_in_sight(error.__traceback__, files))
    return ""


def _names_in_sight(at: TracebackType | None, files: Collection[str]) -> set[str]:
    names = set[str]()
    while at is not None:
        if at.tb_frame.f_code.co_filename in files:
            names |= at.tb_frame.f_locals.keys() | at.tb_frame.f_globals.keys()
        at = at.tb_next
    return names


def _did_you_mean(name: str, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(name, list(known), n=1)
    return f"; did you mean {close[0]}?" if close else ""
