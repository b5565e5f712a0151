"""The terminal of the first minute as a picture, docs/pictures/first-minute.svg: ``make terminal``.

It calls the commands below in an empty folder and draws what they print, as it comes: no line is written by hand. Of
the sweep's table the first lines and the last are kept; a row of dots stands for what is between.
"""

from __future__ import annotations

import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

from rich.console import Console
from rich.text import Text

from dta_bench.report.files import SVG

COMMANDS = (
    "dta-bench list benchmarks --task segmentation",
    "dta-bench sweep digits --method dta,adabn --points 1 --seeds 2 --epochs 2 --backbone conv3_tiny --confirm 0",
    "dta-bench runs digits --sort test",
)
PICTURE = Path(__file__).resolve().parents[1] / "docs" / "pictures" / "first-minute.svg"
WIDTH, FIRST, LAST = 100, 16, 24


def main() -> None:
    """Call the commands and draw the picture."""
    console = Console(record=True, width=WIDTH, file=sys.stderr, force_terminal=True, legacy_windows=False)
    with tempfile.TemporaryDirectory() as folder:
        for command in COMMANDS:
            console.print(Text(f"$ {command}", style="bold green"))
            console.print(Text(_shortened(_called(command, folder))))
    drawn = console.export_svg(title="dta-bench: the first minute", code_format=SVG, unique_id="first-minute")
    PICTURE.write_text(drawn, encoding="utf-8")


def _called(command: str, folder: str) -> str:
    """What a command prints, in the order in which it does."""
    words = [sys.executable, "-m", "dta_bench", *shlex.split(command)[1:]]
    done = subprocess.run(words, cwd=folder, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    if done.returncode:
        raise SystemExit(f"{command}: status {done.returncode}\n{done.stdout}")
    return done.stdout


def _shortened(said: str) -> str:
    lines = said.rstrip().splitlines()
    if len(lines) <= FIRST + LAST:
        return "\n".join([*lines, ""])
    return "\n".join([*lines[:FIRST], "  ...", *lines[-LAST:], ""])


if __name__ == "__main__":
    main()
