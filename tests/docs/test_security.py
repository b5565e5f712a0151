"""The page on security: each of its claims names a test that is there."""

import ast
import re

import pytest
from documentation import ROOT

PAGE = (ROOT / "docs" / "security.md").read_text()
CLAIMS = PAGE.partition("## Claims and their tests")[2]
NAMED = re.findall(r"^\| .+ \| `(test_\w+)::(test_\w+)` \|$", CLAIMS, re.MULTILINE)


def functions(module: str) -> set[str]:
    """The test functions of a test file, by the file's name."""
    (file,) = (ROOT / "tests").rglob(f"{module}.py")
    return {node.name for node in ast.parse(file.read_text()).body if isinstance(node, ast.FunctionDef)}


def test_each_claim_names_a_test() -> None:
    claims = [line for line in CLAIMS.splitlines() if line.startswith("| ")][1:]
    assert len(NAMED) == len(claims) > 40


@pytest.mark.parametrize(("module", "test"), NAMED)
def test_each_test_that_a_claim_names_is_there(module: str, test: str) -> None:
    assert test in functions(module)


def test_the_tests_of_security_are_all_named_by_their_file() -> None:
    files = {file.stem for file in (ROOT / "tests/security").glob("test_*.py")}
    assert files <= {module for module, _ in NAMED}
