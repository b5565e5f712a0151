"""What the program says is plain: forms that made readers stop do not come back."""

import re
import runpy
from pathlib import Path
from typing import Any

import pytest
from documentation import ROOT

COMMAND: dict[str, Any] = runpy.run_path(str(ROOT / "docs" / "sentences.py"))
SAID = [
    (f"{file.relative_to(ROOT)}:{line}", text)
    for file in sorted((ROOT / "dta_bench").rglob("*.py"))
    for line, text in COMMAND["sentences"](file)
]

STOPPED_READERS = {
    r"\ba (line|row|path|mark|bar|colour|dash|sweep|value) an? \w+": "one line per seed",
    r"\bless source-only\b": "vs. source-only",
    r"\btaken for which\b": "confusion matrix",
    r"\bits labels were asked\b": "the subset was scored 42 times",
    r"\bit is there for choosing\b": "that score serves to choose",
    r"\bnumber of an epoch\b": "results are read at the last epoch",
    r"\b1 (runs|points|seeds|pairs|times)\b": "1 run",
}
"""A form that made readers stop → how it is said."""


@pytest.mark.parametrize("form", STOPPED_READERS)
def test_what_made_readers_stop_is_said_plainly(form: str) -> None:
    found = [f"{place}: {text}" for place, text in SAID if re.search(form, text)]
    assert found == [], f"say it as: {STOPPED_READERS[form]}"


def test_sentences_are_found_where_they_are_and_docstrings_are_not(tmp_path: Path) -> None:
    file = tmp_path / "x.py"
    file.write_text('"""This is a docstring of five words."""\n\nprint(f"there are {2} runs of it")\nx = "too short"\n')
    assert list(COMMAND["sentences"](file)) == [(3, "there are {} runs of it")]
