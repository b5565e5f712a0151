"""What moves the fingerprint of the code that decides a run's numbers, and what does not."""

import ast
import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from small_runs import spec_of

from dta_bench import plugins
from dta_bench.run import code_fingerprint, syntax_digest
from dta_bench.run.code_fingerprint import OURS, SILENT, Code
from dta_bench.spec.run_spec import RunSpec

CHECKOUT = plugins.PACKAGE.parent
CLASSIFICATION = spec_of("dta")
SEGMENTATION = replace(
    spec_of("source_only"), method="advent", params={}, benchmark="streets_mini", backbone="unet_mini"
)
SPECS = {"digits": CLASSIFICATION, "streets": SEGMENTATION}


def shipped(files: set[Path] | frozenset[Path]) -> set[str]:
    return {file.relative_to(CHECKOUT).as_posix() for file in files}


def deciding(spec: RunSpec) -> list[str]:
    """Files of a run's closure that hold more than a docstring."""
    files = OURS.closure(code_fingerprint.plugin_files(spec))
    return sorted(
        path for path in shipped(files) if Path(path).name != "__init__.py" or path.endswith("pretrained/__init__.py")
    )


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the package and the backbones, to edit."""
    folder = tmp_path_factory.mktemp("checkout")
    for name in ("dta_bench", "backbones"):
        shutil.copytree(CHECKOUT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    return folder


@pytest.fixture(autouse=True)
def each_text_parsed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else every test would parse the package again."""
    monkeypatch.setattr(syntax_digest, "read", parsed)


_read = syntax_digest.read
_parsed: dict[tuple[bytes, Path], syntax_digest.Source] = {}


def parsed(text: bytes, file: Path, module_file: Callable[[str], Path | None], package: Path) -> syntax_digest.Source:
    if (text, file) not in _parsed:
        _parsed[text, file] = _read(text, file, module_file, package)
    return _parsed[text, file]


def fingerprint(checkout: Path, spec: RunSpec = CLASSIFICATION) -> str:
    """As a new process would take it."""
    files = {checkout / path for path in shipped(code_fingerprint.plugin_files(spec))}
    return Code(checkout / "dta_bench").fingerprint(frozenset(files))


@pytest.fixture
def edit(checkout: Path) -> Iterator[Callable[[str, Callable[[str], str]], None]]:
    """Edits a file of the copy; put right after the test."""
    before: dict[Path, str] = {}

    def apply(path: str, change: Callable[[str], str]) -> None:
        file = checkout / path
        before.setdefault(file, file.read_text(encoding="utf-8"))
        file.write_text(change(before[file]), encoding="utf-8")

    yield apply
    for file, text in before.items():
        file.write_text(text, encoding="utf-8")


@pytest.fixture(scope="module")
def unedited(checkout: Path) -> dict[str, str]:
    """The fingerprints of the copy as it is between the tests; ``edit`` puts it right."""
    return {run: fingerprint(checkout, spec) for run, spec in SPECS.items()}


Edit = Callable[[str, Callable[[str], str]], None]


class ChangeOne(ast.NodeTransformer):
    """Changes the last number, or else the last text, that is no docstring."""

    def __init__(self, tree: ast.Module) -> None:
        bare = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
        constants = [n for n in ast.walk(tree) if isinstance(n, ast.Constant) and id(n) not in bare]
        numbers = [n for n in constants if type(n.value) in (int, float)]
        texts = [n for n in constants if isinstance(n.value, str)]
        self.chosen = [None, *texts, *numbers][-1]

    def visit_Constant(self, node: ast.Constant) -> ast.Constant:
        return ast.Constant(node.value * 2 + type(node.value)(1)) if node is self.chosen else node


def one_constant_changed(text: str) -> str:
    tree = ast.parse(text)
    change = ChangeOne(tree)
    return ast.unparse(ast.fix_missing_locations(change.visit(tree))) if change.chosen else f"{text}\nANOTHER = 1\n"


@pytest.mark.parametrize(("run", "path"), [(name, path) for name, spec in SPECS.items() for path in deciding(spec)])
def test_a_constant_in_any_file_of_the_closure_moves_the_fingerprint(
    run: str, path: str, unedited: dict[str, str], checkout: Path, edit: Edit
) -> None:
    edit(path, one_constant_changed)
    assert fingerprint(checkout, SPECS[run]) != unedited[run]


@pytest.mark.parametrize("run", SPECS)
def test_comments_docstrings_and_formatting_leave_it(run: str, checkout: Path, edit: Edit) -> None:
    before = fingerprint(checkout, SPECS[run])
    for path in deciding(SPECS[run]):
        edit(
            path, lambda text: f'"""Another summary."""\n# why\n{ast.unparse(without_docstrings(text))}\n"""Bare."""\n'
        )
    assert fingerprint(checkout, SPECS[run]) == before


def without_docstrings(text: str) -> ast.Module:
    tree = ast.parse(text)
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and ast.get_docstring(node) is not None:
            node.body[:1] = [] if isinstance(node, ast.Module) else [ast.parse("'Other words.'").body[0]]
    future = [n for n in tree.body if isinstance(n, ast.ImportFrom) and n.module == "__future__"]
    tree.body = future + [n for n in tree.body if n not in future]
    return tree


def test_modules_outside_the_closure_leave_it(checkout: Path, edit: Edit) -> None:
    before = {name: fingerprint(checkout, spec) for name, spec in SPECS.items()}
    outside = [p.relative_to(checkout).as_posix() for p in (checkout / "dta_bench").rglob("*.py")]
    outside = [p for p in outside if re.match("dta_bench/(cli|check|cost|replay|report|sweep|tracking)/", p)]
    outside += [f"dta_bench/{path}" for path in SILENT] + ["dta_bench/methods/mcd.py", "dta_bench/benchmarks/_visda.py"]
    for path in outside:
        edit(path, lambda text: f"{text}\nANOTHER = 1\n")
    assert {name: fingerprint(checkout, spec) for name, spec in SPECS.items()} == before


def test_moving_a_module_leaves_it(checkout: Path, tmp_path: Path) -> None:
    before = fingerprint(checkout)
    shutil.copytree(checkout, tmp_path / "moved")
    package = tmp_path / "moved/dta_bench"
    (package / "nn/terms").mkdir()
    (package / "nn/terms/__init__.py").write_text('"""Terms of a loss."""\n')
    (package / "nn/losses.py").rename(package / "nn/terms/objectives.py")
    for file in package.rglob("*.py"):
        file.write_text(file.read_text().replace("dta_bench.nn.losses", "dta_bench.nn.terms.objectives"))
    assert fingerprint(tmp_path / "moved") == before


@pytest.mark.parametrize("run", SPECS)
def test_what_decides_numbers_is_in_the_closure(run: str) -> None:
    always = {
        "data/augment", "data/batches", "data/image_cache", "data/load", "data/prefetch", "data/splits",
        "data/unreadable", "evaluation/evaluator", "evaluation/label_free", "evaluation/metrics", "evaluation/probes",
        "evaluation/label_map_predictions", "nn/activation_checkpointing", "nn/distributed", "nn/learner", "nn/network",
        "nn/pretrained/__init__", "nn/pretrained/fcn", "nn/pretrained/smp_networks", "nn/pretrained/timm_networks",
        "nn/pretrained/unet", "run/checkpoint", "run/finish", "run/placement", "run/resolve", "run/train",
        "spec/benchmark", "spec/method_plugin", "spec/run_spec",
    }  # fmt: skip
    assert {f"dta_bench/{name}.py" for name in always} <= set(deciding(SPECS[run]))


def test_the_files_of_plugins_and_what_they_import_are_in_the_closure() -> None:
    digits, streets = set(deciding(CLASSIFICATION)), set(deciding(SEGMENTATION))
    assert {"dta_bench/methods/dta.py", "backbones/conv3_tiny.py", "dta_bench/benchmarks/_fonts.py"} <= digits
    assert "dta_bench/nn/adversarial_dropout.py" in digits
    assert {"dta_bench/methods/adaptsegnet.py", "backbones/unet_mini.py"} <= streets
    assert "dta_bench/benchmarks/_street_scenes.py" in streets
    assert not {path for path in digits if "street" in path} | {path for path in streets if "digits" in path}


def test_a_file_that_a_method_imports_by_way_of_another_counts() -> None:
    found = set(deciding(spec_of("dta_released")))
    assert {"dta_bench/methods/dta_released.py", "dta_bench/methods/dta.py", "dta_bench/nn/losses.py"} <= found


def test_what_the_api_passes_on_counts_only_where_a_plugin_takes_it(checkout: Path, edit: Edit, tmp_path: Path) -> None:
    one, other = tmp_path / "one.py", tmp_path / "other.py"
    one.write_text("from dta_bench.api import Network\n")
    other.write_text("from dta_bench.api import Network, mk_mmd\n")

    def fingerprints() -> list[str]:
        return [Code(checkout / "dta_bench").fingerprint(frozenset({file})) for file in (one, other)]

    before = fingerprints()
    edit("dta_bench/api.py", lambda text: f"{text}\nfrom dta_bench.methods.dann import loss\n")
    assert fingerprints() == before
    edit("dta_bench/nn/mmd.py", one_constant_changed)
    assert [now == then for now, then in zip(fingerprints(), before, strict=True)] == [True, False]


def test_the_method_of_a_first_stage_counts() -> None:
    assert "dta_bench/methods/vada.py" in shipped(code_fingerprint.plugin_files(spec_of("dirt_t")))


PETS = "source: a\ntarget: b\nclasses: [cat, dog]\nimage_size: 32\nlabels: 9\n"


@pytest.fixture
def pets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunSpec:
    """A run on a benchmark that a YAML file of the user's states."""
    (tmp_path / "benchmarks").mkdir()
    (tmp_path / "benchmarks/pets.yaml").write_text(PETS)
    monkeypatch.chdir(tmp_path)
    return replace(CLASSIFICATION, benchmark="pets")


def test_a_yaml_benchmark_counts_with_its_bytes_and_its_reader(pets: RunSpec, tmp_path: Path) -> None:
    files = code_fingerprint.plugin_files(pets)
    assert {"pets.yaml", "_pair.py", "_pair_file.py"} <= {file.name for file in files}
    before = Code(plugins.PACKAGE).fingerprint(files)
    (tmp_path / "benchmarks/pets.yaml").write_text(PETS.replace("32", "64"))
    assert Code(plugins.PACKAGE).fingerprint(files) != before


def test_helpers_beside_a_users_benchmark_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "benchmarks").mkdir()
    (tmp_path / "benchmarks/mine.py").write_text("BENCHMARK = load = None\n")
    (tmp_path / "benchmarks/_read.py").write_text("SIZE = 32\n")
    monkeypatch.chdir(tmp_path)
    files = code_fingerprint.plugin_files(replace(CLASSIFICATION, benchmark="mine"))
    assert {"mine.py", "_read.py"} <= {file.name for file in files}


NUMERIC = {"torch", "numpy", "cv2", "PIL", "albumentations", "sklearn", "scipy", "timm", "random", "torchvision"}


def test_each_silent_module_is_met_and_computes_nothing(pets: RunSpec) -> None:
    specs = [*SPECS.values(), pets, replace(CLASSIFICATION, benchmark="visda")]
    imported = {
        module for spec in specs for file in OURS.closure(code_fingerprint.plugin_files(spec)) if file.suffix == ".py"
        for _, module in OURS._resolved(file)
    }  # fmt: skip
    met = {file.relative_to(plugins.PACKAGE).as_posix() for file in imported if OURS.is_silent(file)}
    serving = {"__init__.py", "run/code_fingerprint.py", "run/syntax_digest.py"}
    assert set(SILENT) <= met | serving
    for path, reason in SILENT.items():
        names = imports_of(plugins.PACKAGE / path)
        assert reason
        if path != "run/fingerprint.py":  # it looks whether torchvision suits torch
            assert not {name.partition(".")[0] for name in names} & NUMERIC, path


def imports_of(file: Path) -> set[str]:
    nodes = list(ast.walk(ast.parse(file.read_text(encoding="utf-8"))))
    named = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    return named | {node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)}


def test_the_fingerprint_names_its_scheme() -> None:
    assert re.fullmatch("ast1:[0-9a-f]{12}", code_fingerprint.code_fingerprint(CLASSIFICATION))


def test_of_many_runs_each_has_the_fingerprint_that_it_has_alone() -> None:
    of_many = code_fingerprint.fingerprints_of_many()
    stages = spec_of("shot")
    runs = [CLASSIFICATION, replace(CLASSIFICATION, seed=1), SEGMENTATION, stages, CLASSIFICATION]
    assert [of_many(run) for run in runs] == [code_fingerprint.code_fingerprint(run) for run in runs]
