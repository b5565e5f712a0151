"""Starting files for plug-ins: commented, and complete as they stand."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from dta_bench import plugins
from dta_bench.errors import UserError

TEMPLATES = Path(__file__).with_name("starting_files")


@dataclass(frozen=True)
class StartingFile:
    """A kind of plug-in: the ending of its file, how it is checked, and how it is tried."""

    ending: str
    check: str
    trial: str


KINDS = {
    "method": StartingFile(".py", "check method NAME", "train digits --method NAME --epochs 1"),
    "backbone": StartingFile(".py", "check backbone NAME", "train digits --backbone NAME --epochs 1"),
    "benchmark": StartingFile(".py", "check benchmark NAME", "train NAME --backbone conv3_fc2 --epochs 1"),
    "search-space": StartingFile(".yaml", "check search-space NAME", "train NAME --epochs 1"),
    "suite": StartingFile(".yaml", "prepare NAME", "train NAME.fonts-to-optdigits --epochs 1"),
}


@dataclass(frozen=True)
class Written:
    """A file that was written, and the commands that check and try it."""

    path: Path
    check: str
    trial: str


def write_starting_file(kind: str, name: str) -> Written:
    """Write the starting file of a plug-in into the folder of its kind, where the command is called.

    Args:
        kind: a key of :data:`KINDS`.

    Raises:
        UserError: no such kind, a name that no plug-in can have, one that is taken, or a folder without write access.
    """
    if kind not in KINDS:
        raise UserError(f"there is no starting file of kind {kind!r}; allowed: {', '.join(KINDS)}")
    if not re.fullmatch(r"[a-z][a-z0-9_]*", name):
        raise UserError(f"{name!r} is no name for a {kind}; it takes small letters, digits and _, a letter first")
    folder, of_kind = plugins.FOLDERS[kind.replace("-", "_")], KINDS[kind]
    path = Path(folder) / f"{name}{of_kind.ending}"
    if name in plugins.names(kind.replace("-", "_")) or path.exists():
        taken = path if path.exists() else plugins.path(kind.replace("-", "_"), name)
        raise UserError(f"there is a {kind} named {name} already, {taken}; nothing is overwritten, take another name")
    text = (TEMPLATES / f"{kind}.txt").read_text(encoding="utf-8").replace("NAME", name)
    try:
        path.parent.mkdir(exist_ok=True)
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise UserError(f"{path} cannot be written ({error.strerror})") from error
    check, trial = (f"dta-bench {command.replace('NAME', name)}" for command in (of_kind.check, of_kind.trial))
    return Written(path, check, trial)
