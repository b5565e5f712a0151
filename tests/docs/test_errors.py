"""docs/errors.md quotes what the program prints."""

import ast
import re

import pytest
from documentation import ROOT

QUOTED = re.findall(r"^### (.+)$", (ROOT / "docs" / "errors.md").read_text(), re.MULTILINE)


def texts() -> list[str]:
    """The program's texts without docstrings; what is filled in at run time is a space."""
    trees = [ast.parse(file.read_text()) for file in (ROOT / "dta_bench").rglob("*.py")]
    nodes = [node for tree in trees for node in ast.walk(tree)]
    bare = {id(node.value) for node in nodes if isinstance(node, ast.Expr)}
    constants = [node for node in nodes if isinstance(node, ast.Constant) and id(node) not in bare]
    plain = [node.value for node in constants if isinstance(node.value, str)]
    return plain + [filled(node) for node in nodes if isinstance(node, ast.JoinedStr)]


def filled(node: ast.JoinedStr) -> str:
    """The text of an f-string."""
    return "".join(str(part.value) if isinstance(part, ast.Constant) else " " for part in node.values)


@pytest.fixture(scope="module")
def program() -> list[str]:
    return texts()


@pytest.mark.parametrize("quoted", QUOTED)
def test_every_quoted_error_is_a_text_of_the_program(quoted: str, program: list[str]) -> None:
    """What a page writes as ``...`` may be anything."""
    pattern = ".*".join(re.escape(part) for part in quoted.split("..."))
    assert any(re.search(pattern, text, re.DOTALL) for text in program)
