"""The modules and their public names, from their docstrings, as Markdown on stdout; ``make api`` keeps it.

Reads the sources without importing them, so that it needs nothing and cannot be changed by a machine.
"""

import ast
import inspect
from pathlib import Path

PACKAGE = Path(__file__).parents[1] / "dta_bench"


def main() -> None:
    """One heading a module that says something, one line a public name."""
    print("# The modules\n\nMade by `make api` from the docstrings; what starts with `_` is left out.\n")
    for path in sorted(PACKAGE.rglob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        said = ast.get_docstring(tree)
        if said is None or any(part.startswith("_") and part != "__init__.py" for part in path.parts[-2:]):
            continue
        print(f"## {dotted(path)}\n\n{paragraph(said)}\n")
        names = [line for node in tree.body for line in lines(node)]
        print("\n".join([*names, ""]) if names else "", end="\n" if names else "")


def dotted(path: Path) -> str:
    """A module's name."""
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(part for part in parts if part != "__init__")


def lines(node: ast.stmt, inside: str = "") -> list[str]:
    """A public function or class with its first sentence; of a class its public methods too."""
    if not isinstance(node, ast.FunctionDef | ast.ClassDef) or node.name.startswith("_"):
        return []
    said = ast.get_docstring(node)
    if said is None:
        return []
    name = f"{inside}{node.name}"
    if isinstance(node, ast.FunctionDef):
        return [f"* `{name}({', '.join(arguments(node))})`: {first(said)}"]
    return [f"* `{name}`: {first(said)}", *[f"  {line}" for one in node.body for line in lines(one, f"{name}.")]]


def arguments(node: ast.FunctionDef) -> list[str]:
    """Names of a function's arguments."""
    every = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
    return [one.arg for one in every if one.arg not in ("self", "cls")]


def paragraph(said: str) -> str:
    """The first paragraph, on one line."""
    return " ".join(inspect.cleandoc(said).split("\n\n")[0].split()).replace("``", "`")


def first(said: str) -> str:
    """The first paragraph as the end of a line."""
    return paragraph(said)


if __name__ == "__main__":
    main()
