"""Digest of a Python file's syntax tree, and the names that the file takes from this package.

The digest leaves out what cannot decide a number: comments, formatting, docstrings and other bare strings, ``pass``,
``if TYPE_CHECKING:`` blocks, and where in this package an imported name lives. Local names of imported modules of this
package are numbered by their first use, so a module may be renamed or moved. The walk encodes node type names and
filled fields itself and skips empty ones: ``ast.dump`` gives other texts under other Python versions (3.12 added
``type_params``). No version-specific field is read, so Python 3.11 to 3.13 give the same digest for the same tree.
"""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

WHOLE = ""
"""The ``name`` of a reference to a module itself."""


@dataclass(frozen=True)
class Reference:
    """A name that a file takes from a module of this package: ``from module import name as bound``."""

    bound: str
    name: str
    module: Path


@dataclass(frozen=True)
class Source:
    """What a file says and what it imports from this package.

    Attributes:
        digest: hex digest of the syntax tree without the paths of imports.
        references: in an order that does not depend on module paths.
        is_empty: nothing is left of the file but imports (and ``__all__``); names can be looked up behind it.
    """

    digest: str
    references: tuple[Reference, ...]
    is_empty: bool


def read(text: bytes, file: Path, module_file: Callable[[str], Path | None], package: Path) -> Source:
    """Digest the text of one Python file.

    Args:
        module_file: dotted name → the file of that module of this package, or None.
        package: the folder of this package.
    """
    tree = ast.parse(text)
    imports = _Imports(file, module_file, package)
    imports.visit(tree)
    walk = _Walk(imports.aliases(tree), imports.lazy)
    encoded = "".join(walk.encode(tree))
    named = _grouped(reference for reference in imports.references if reference.bound not in walk.numbers)
    numbered = sorted(
        dict.fromkeys(reference for reference in imports.references if reference.bound in walk.numbers),
        key=lambda reference: walk.numbers[reference.bound],
    )
    strings = [Reference("", WHOLE, module) for module in walk.strings]
    head = "".join(f"{_text(r.bound)}{_text(r.name)}" for r in named) + f"{len(numbered)} {len(strings)}"
    digest = hashlib.sha256(f"{head} {encoded}".encode("utf-8", "surrogatepass")).hexdigest()
    return Source(digest, (*named, *numbered, *strings), all(_is_bookkeeping(node) for node in tree.body))


def _grouped(references: Iterator[Reference]) -> list[Reference]:
    """Sorted by bound name; names bound twice keep their order of occurrence, repetitions go."""
    return sorted(dict.fromkeys(references), key=lambda reference: reference.bound)


def _is_bookkeeping(node: ast.stmt) -> bool:
    if isinstance(node, ast.ImportFrom):
        return node.module == "__future__"
    return isinstance(node, ast.Assign) and [getattr(target, "id", "") for target in node.targets] == ["__all__"]


class _Imports(ast.NodeTransformer):
    """Takes this package's imports, type-checking blocks and bare strings out of a tree."""

    def __init__(self, file: Path, module_file: Callable[[str], Path | None], package: Path) -> None:
        self._module_file, self._name = module_file, package.name
        self._inside = file.relative_to(package).parent.parts if file.is_relative_to(package) else None
        self.references: list[Reference] = []
        self._module_names: set[str] = set()
        self._is_lazy = False

    def visit_Import(self, node: ast.Import) -> ast.Import | None:
        node.names = [alias for alias in node.names if not self._is_own_module(alias)]
        return node if node.names else None

    def _is_own_module(self, alias: ast.alias) -> bool:
        module = self._module_file(alias.name)
        if module is None:
            return False
        self.references.append(Reference(alias.asname or self._name, WHOLE, module))
        if alias.asname:
            self._module_names.add(alias.asname)
        return True

    def visit_ImportFrom(self, node: ast.ImportFrom) -> ast.ImportFrom | None:
        dotted = self._dotted(node)
        node.names = [alias for alias in node.names if not self._is_own_name(dotted, alias)]
        return node if node.names else None

    def _is_own_name(self, dotted: str, alias: ast.alias) -> bool:
        bound, submodule = alias.asname or alias.name, self._module_file(f"{dotted}.{alias.name}")
        module = submodule or self._module_file(dotted)
        if module is None:
            return False
        self.references.append(Reference(bound, WHOLE if submodule else alias.name, module))
        if submodule:
            self._module_names.add(bound)
        return True

    def _dotted(self, node: ast.ImportFrom) -> str:
        if not node.level:
            return node.module or ""
        if self._inside is None:
            return ""
        above = self._inside[: len(self._inside) - node.level + 1]
        return ".".join([self._name, *above, *([node.module] if node.module else [])])

    def visit_If(self, node: ast.If) -> ast.AST | list[ast.stmt] | None:
        if "TYPE_CHECKING" in (getattr(node.test, "id", ""), getattr(node.test, "attr", "")):
            at_run_time = ast.Module(node.orelse, [])
            self.generic_visit(at_run_time)
            return at_run_time.body
        return self.generic_visit(node)

    def visit_Expr(self, node: ast.Expr) -> ast.AST | None:
        if isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            return None
        return self.generic_visit(node)

    def visit_Pass(self, _: ast.Pass) -> None:
        return None

    def visit_Call(self, node: ast.Call) -> ast.AST:
        called = node.func
        if {getattr(called, "id", ""), getattr(called, "attr", "")} & {"import_module", "__import__"}:
            self._is_lazy = True
        return self.generic_visit(node)

    def lazy(self, text: str) -> Path | None:
        """The module that a string names, in a file that imports by strings: a dotted name, or one beside the file."""
        if not self._is_lazy:
            return None
        beside = [self._name, *self._inside, text] if self._inside is not None and text.isidentifier() else [text]
        return self._module_file(text) or self._module_file(".".join(beside))

    def aliases(self, tree: ast.Module) -> set[str]:
        """Local names of modules of this package that the file binds to nothing else."""
        others = {reference.bound for reference in self.references if reference.name != WHOLE}
        return self._module_names - others - {name for node in ast.walk(tree) for name in _bound(node)}


def _bound(node: ast.AST) -> Iterator[str]:
    """Names that a node binds, whatever its type; more than necessary does no harm."""
    if isinstance(node, ast.Name):
        if not isinstance(node.ctx, ast.Load):
            yield node.id
        return
    if isinstance(node, ast.alias):
        yield (node.asname or node.name).partition(".")[0]
    elif isinstance(node, ast.Global | ast.Nonlocal):
        yield from node.names
    elif not isinstance(node, ast.keyword):  # a keyword of a call binds nothing
        yield from (name for field in ("name", "arg", "rest") if isinstance(name := getattr(node, field, None), str))


class _Walk:
    """Encodes a tree as text, every part with its length, so that no two trees have one text."""

    def __init__(self, aliases: set[str], lazy: Callable[[str], Path | None]) -> None:
        self._aliases, self._lazy = aliases, lazy
        self.numbers: dict[str, int] = {}
        self.strings: list[Path] = []

    def encode(self, value: object) -> Iterator[str]:
        """The text of a node, a list of nodes, or the value of a field, in pieces."""
        if isinstance(value, ast.Constant):
            yield self._constant(value.value)
        elif isinstance(value, ast.Name) and value.id in self._aliases:
            yield f"(module {self.numbers.setdefault(value.id, len(self.numbers))})"
        elif isinstance(value, ast.AST):
            yield f"({type(value).__name__}"
            for field, content in ast.iter_fields(value):
                if content is not None and content != []:
                    yield f" {field}="
                    yield from self.encode(_joined(value, content))
            yield ")"
        elif isinstance(value, list):
            yield f"[{len(value)}"
            for each in value:
                yield from self.encode(each)
            yield "]"
        else:
            yield f"{type(value).__name__}{_text(str(value))}"

    def _constant(self, value: object) -> str:
        if isinstance(value, str):
            module = self._lazy(value)
            if module is not None:
                self.strings.append(module)
                return "(module by string)"
            return f"str{_text(value)}"
        return f"{type(value).__name__}{_text(repr(value))}"


def _joined(node: ast.AST, content: object) -> object:
    """The parts of an f-string with neighbouring texts as one, since Python versions cut them differently."""
    if not isinstance(node, ast.JoinedStr) or not isinstance(content, list):
        return content
    parts: list[object] = []
    for part in content:
        text = str(part.value) if isinstance(part, ast.Constant) else None
        if text is not None and parts and isinstance(parts[-1], str):
            parts[-1] += text
        elif text != "":
            parts.append(part if text is None else text)
    return parts


def _text(text: str) -> str:
    return f"{len(text)}:{text}"
