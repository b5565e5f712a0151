"""What the fingerprint of code follows and leaves out, each rule on a package of a few lines."""

from pathlib import Path

from dta_bench.run import syntax_digest
from dta_bench.run.code_fingerprint import Code


def code_of(folder: Path, train: str, **files: str) -> Code:
    """A package ``p`` with the modules ``files``; ``a__b`` is the module b in the folder a."""
    for name, text in {"run__train": train, "data__load": "", **files}.items():
        file = folder / "p" / f"{name.replace('__', '/')}.py"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    for each in (folder / "p", folder / "p/run", folder / "p/data"):
        (each / "__init__.py").touch()
    return Code(folder / "p")


def mark(folder: Path, train: str, **files: str) -> str:
    return code_of(folder, train, **files).fingerprint(frozenset())


def names(folder: Path, train: str, **files: str) -> set[str]:
    return {file.name for file in code_of(folder, train, **files).closure([])}


def test_imports_inside_functions_are_followed(tmp_path: Path) -> None:
    train = "def f():\n    from p.far import g\n    import p.off.on as h\n"
    assert {"far.py", "on.py"} <= names(tmp_path, train, far="g = 1", off__on="x = 1")


def test_relative_imports_are_followed(tmp_path: Path) -> None:
    train = "from . import near\nfrom ..far import g\n"
    assert {"far.py", "near.py"} <= names(tmp_path, train, far="g = 1", run__near="")


def test_type_checking_imports_are_not_followed(tmp_path: Path) -> None:
    train = "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from p.far import g\n"
    assert "far.py" not in names(tmp_path, train, far="g = 1")


def test_the_other_branch_of_type_checking_is(tmp_path: Path) -> None:
    train = "import typing\nif typing.TYPE_CHECKING:\n    g: int\nelse:\n    from p.far import g\n"
    assert "far.py" in names(tmp_path, train, far="g = 1")


def test_modules_that_strings_name_are_followed_where_a_file_imports_by_strings(tmp_path: Path) -> None:
    lazy = "import importlib\ndef g(x):\n    importlib.import_module('near' if x else 'p.off.on')"
    assert {"near.py", "on.py"} <= names(tmp_path, lazy, run__near="g = 1", off__on="h = 1")


def test_strings_of_other_files_are_no_modules(tmp_path: Path) -> None:
    assert "near.py" not in names(tmp_path, "x = 'near'", run__near="g = 1")


def test_a_name_is_followed_through_modules_that_only_pass_it_on(tmp_path: Path) -> None:
    api = '"""Names."""\nfrom p.net import Network\nfrom p.far import g\n__all__ = ["Network", "g"]\n'
    train, files = "from p.api import Network", {"net": "Network = 1", "far": "g = 1"}
    found = names(tmp_path / "a", train, **files, api=api)
    assert "net.py" in found
    assert "far.py" not in found
    direct = mark(tmp_path / "b", "from p.net import Network", **files)
    assert direct == mark(tmp_path / "c", train, **files, api=api)


def test_a_module_that_does_more_than_pass_names_on_counts(tmp_path: Path) -> None:
    api = "from p.net import Network\nNetwork.width = 2\n"
    found = names(tmp_path, "from p.api import Network", api=api, net="class Network: pass")
    assert {"api.py", "net.py"} <= found


def test_a_module_that_passes_names_on_counts_where_it_is_used_as_a_whole(tmp_path: Path) -> None:
    train, files = "from p import api, near, far\napi.f(near, far)", {"near": "f = 1", "far": "f = 2"}
    one = mark(tmp_path / "a", train, **files, api="from p.near import f")
    assert one != mark(tmp_path / "b", train, **files, api="from p.far import f")


def test_a_renamed_module_leaves_it_where_its_name_is_used(tmp_path: Path) -> None:
    before = mark(tmp_path / "a", "from p import far, near\nfar.f(near.x)", far="f = 1", near="x = 2")
    after = mark(tmp_path / "b", "from p import off, near\noff.f(near.x)", off="f = 1", near="x = 2")
    assert before == after


def test_two_modules_in_each_others_place_move_it(tmp_path: Path) -> None:
    files = {"far": "f = 1", "near": "f = 2"}
    marks = {
        mark(tmp_path / str(number), train, **files)
        for number, train in enumerate((
            "from p import far, near\nfar.f(near.f)",
            "from p import far, near\nnear.f(far.f)",
            "from p.far import f\nfrom p.near import f as g\nf(g)",
            "from p.near import f\nfrom p.far import f as g\nf(g)",
        ))
    }  # fmt: skip
    assert len(marks) == 4


def test_a_local_variable_with_a_modules_name_is_told_apart(tmp_path: Path) -> None:
    files = {"far": "f = 1", "off": "f = 1"}
    one = mark(tmp_path / "a", "from p import far\ndef g(far):\n    return far\n", **files)
    other = mark(tmp_path / "b", "from p import off\ndef g(far):\n    return off\n", **files)
    assert one != other


def test_a_file_edited_later_counts_as_this_process_first_saw_it(tmp_path: Path) -> None:
    code = code_of(tmp_path, "x = 1")
    before = code.fingerprint(frozenset())
    (tmp_path / "p/run/train.py").write_text("x = 2")
    assert code.fingerprint(frozenset()) == before
    assert Code(tmp_path / "p").fingerprint(frozenset()) != before


def test_the_encoding_stays_as_the_scheme_fixes_it() -> None:
    """Another digest here means that all stored fingerprints change: give the scheme another name then."""
    text = b"import torch\ndef f(x: int = -1, *, y=None):\n    'Doc.'\n    return f'{x!r:>{y}} a' 'b' + 1.5e-3\n"
    source = syntax_digest.read(text, Path("f.py"), lambda _: None, Path("p"))
    assert source.digest == "a16ed55f8995e2e3483fe3ef5b144791d70f90e19475bf32809e6e1180da52b6"


def test_files_are_combined_as_the_scheme_fixes_it(tmp_path: Path) -> None:
    """See the test above."""
    found = mark(tmp_path, "from p.far import f\nf(1)", far="from p import near\nf = near", near="x = 1")
    assert found == "ast1:7e02ea229cbe"
