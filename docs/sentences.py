"""Print every sentence that the program can say, with the place where it is: ``make sentences``.

A sentence is a text of four words or more in the package that is no docstring; a value in it is shown as {}.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[1] / "dta_bench"
FEWEST_WORDS = 4


def sentences(file: Path) -> Iterator[tuple[int, str]]:
    """The line and the text of each sentence of a file."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    silent = {id(inner) for node in ast.walk(tree) if isinstance(node, ast.Expr) for inner in ast.walk(node.value)
              if isinstance(node.value, ast.Constant)}  # fmt: skip
    parts = {id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in node.values}
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            text = "".join(part.value if isinstance(part, ast.Constant) else "{}" for part in node.values)  # type: ignore[misc]
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in silent | parts:
            text = node.value
        else:
            continue
        if len(text.split()) >= FEWEST_WORDS:
            yield node.lineno, " ".join(text.split())


def main() -> None:
    """Print the sentences of the whole package, or of the files that are named."""
    files = [Path(name) for name in sys.argv[1:]] or sorted(PACKAGE.rglob("*.py"))
    for file in files:
        for line, text in sentences(file.resolve()):
            print(f"{file.resolve().relative_to(PACKAGE.parent)}:{line}: {text}")


if __name__ == "__main__":
    main()
