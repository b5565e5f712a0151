"""A plug-in is a file: where it is looked for, what is told of it unread, how a broken one is refused."""

import ast
import os
import pickle
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from dta_bench import api, plugins
from dta_bench.errors import Interrupted, UserError

GOOD = """\"\"\"A net of mine.

More.\"\"\"

task = "classification"


def build(num_classes, weights):
    return num_classes
"""


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with empty plug-in folders."""
    monkeypatch.chdir(tmp_path)
    for folder in plugins.FOLDERS.values():
        (tmp_path / folder).mkdir()
    return tmp_path


NFC, NFD = "caf\u00e9", "cafe\u0301"


@pytest.mark.parametrize("on_disk", [NFC, NFD])
def test_a_plug_in_has_one_name_however_its_file_and_the_user_spell_it(here: Path, on_disk: str) -> None:
    (here / "backbones" / f"{on_disk}.py").write_text(GOOD)
    assert NFC in plugins.names("backbone")
    assert plugins.path("backbone", NFC) == plugins.path("backbone", NFD) == here / "backbones" / f"{on_disk}.py"
    assert plugins.load("backbone", NFD) is plugins.load("backbone", NFC)


def refusal(kind: str, name: str) -> str:
    with pytest.raises(UserError) as refused:
        plugins.load(kind, name)
    return str(refused.value)


def test_a_file_dropped_into_a_folder_is_found_and_runs(here: Path) -> None:
    (here / "backbones" / "mine.py").write_text(GOOD)
    assert "mine" in plugins.names("backbone")
    assert plugins.path("backbone", "mine") == here / "backbones" / "mine.py"
    assert plugins.load("backbone", "mine").build(7, "none") == 7


def test_the_working_directory_comes_before_what_is_shipped(here: Path) -> None:
    shipped = plugins.load("backbone", "conv3_fc2")
    (here / "backbones" / "conv3_fc2.py").write_text(GOOD)
    assert plugins.summary("backbone", "conv3_fc2") == "A net of mine."
    assert plugins.load("backbone", "conv3_fc2").__file__ != shipped.__file__
    assert plugins.names("backbone").count("conv3_fc2") == 1


def test_files_with_an_underscore_are_helpers(here: Path) -> None:
    (here / "methods" / "_shared.py").write_text('"""Shared."""\n')
    assert not [name for kind in plugins.FOLDERS for name in plugins.names(kind) if name.startswith("_")]


def test_a_shipped_method_is_the_packages_own_module_so_that_it_pickles() -> None:
    method = plugins.load("method", "dta")
    assert method is sys.modules["dta_bench.methods.dta"]
    params = method.Params(lambda_1=3.0)
    assert pickle.loads(pickle.dumps(params)) == params


def test_a_users_method_may_hold_a_dataclass_and_pickles(here: Path) -> None:
    (here / "methods" / "mine.py").write_text(
        '"""Mine."""\nfrom __future__ import annotations\nfrom dataclasses import dataclass, field\n\n\n'
        "@dataclass(frozen=True)\nclass Params:\n    weights: list[float] = field(default_factory=list)\n\n\n"
        "def loss(net, source, target, epoch, params):\n    return {}\n"
    )
    params = plugins.load("method", "mine").Params([1.0])
    assert pickle.loads(pickle.dumps(params)) == params


def test_a_module_is_run_once_and_again_for_another_folder(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (here / "backbones" / "mine.py").write_text(GOOD)
    first = plugins.load("backbone", "mine")
    assert plugins.load("backbone", "mine") is first
    other = here / "elsewhere"
    (other / "backbones").mkdir(parents=True)
    (other / "backbones" / "mine.py").write_text(GOOD)
    monkeypatch.chdir(other)
    assert plugins.load("backbone", "mine") is not first


def test_a_summary_is_read_without_running_the_file(here: Path) -> None:
    (here / "benchmarks" / "mine.py").write_text('"""A pair of mine."""\nraise RuntimeError("was run")\n')
    assert plugins.summary("benchmark", "mine") == "A pair of mine."


def test_the_summary_of_a_search_space_is_its_first_comment(here: Path) -> None:
    (here / "search_spaces" / "mine.yaml").write_text(
        "# What it reproduces.\n#   dta-bench sweep mine\nbenchmark: digits\n"
    )
    assert plugins.summary("search_space", "mine") == "What it reproduces."


def test_every_shipped_plug_in_has_a_summary() -> None:
    unsaid = [
        (kind, name) for kind in plugins.FOLDERS for name in plugins.names(kind) if not plugins.summary(kind, name)
    ]
    assert unsaid == []


@pytest.mark.parametrize(("kind", "wrong", "near"), [
    ("backbone", "conv3_fc", "conv3_fc2"), ("method", "source-only", "source_only"),
    ("benchmark", "font_digits", "fonts_digits"), ("search_space", "visad", "visda"),
])  # fmt: skip
def test_an_unknown_name_is_refused_with_near_matches_and_the_list(kind: str, wrong: str, near: str) -> None:
    with pytest.raises(UserError) as refused:
        plugins.path(kind, wrong)
    said = str(refused.value)
    assert f"did you mean {near}" in said
    assert all(name in said for name in plugins.names(kind))


def test_a_name_cannot_lead_out_of_the_folder(here: Path) -> None:
    (here / "outside.py").write_text(GOOD)
    assert "../outside" in refusal("backbone", "../outside")


def test_a_syntax_error_is_told_with_file_line_and_reason(here: Path) -> None:
    (here / "backbones" / "mine.py").write_text('"""Mine."""\ntask = "classification"\ndef build(:\n')
    said = refusal("backbone", "mine")
    assert f"{here / 'backbones' / 'mine.py'}, line 3: SyntaxError" in said


def test_a_file_that_fails_while_it_runs_is_told_with_its_own_line(here: Path) -> None:
    (here / "backbones" / "mine.py").write_text('"""Mine."""\nimport json\nx = json.loads("{")\n')
    assert "mine.py, line 3: JSONDecodeError: Expecting" in refusal("backbone", "mine")


def test_a_broken_file_still_has_a_line_in_the_list(here: Path) -> None:
    (here / "backbones" / "mine.py").write_text("def build(:\n")
    assert "line 1" in plugins.summary("backbone", "mine")


@pytest.mark.parametrize(("kind", "text", "lacks"), [
    ("backbone", 'task = "classification"\n', "build"),
    ("method", "def loss(): ...\n", "Params"),
    ("method", "class Params: ...\n", "loss or Method"),
    ("benchmark", "def load(root): ...\n", "BENCHMARK"),
])  # fmt: skip
def test_a_file_without_a_part_of_its_contract_is_refused_by_name(here: Path, kind: str, text: str, lacks: str) -> None:
    file = here / plugins.FOLDERS[kind] / "mine.py"
    file.write_text(text)
    assert f"{file} does not define {lacks};" in refusal(kind, "mine")


def test_a_failed_file_is_read_anew_once_it_is_mended(here: Path) -> None:
    file = here / "backbones" / "mine.py"
    file.write_text("raise ValueError\n")
    refusal("backbone", "mine")
    file.write_text(GOOD)
    assert plugins.load("backbone", "mine").build(2, "none") == 2


def test_an_installed_package_finds_what_its_wheel_carries(tmp_path: Path) -> None:
    package = tmp_path / "site" / "dta_bench"
    package.mkdir(parents=True)
    shutil.copytree(plugins.PACKAGE / "errors", package / "errors")
    for module in ("__init__", "plugins"):
        shutil.copy(plugins.PACKAGE / f"{module}.py", package)
    (package / "backbones").mkdir()
    (package / "backbones" / "carried.py").write_text(GOOD)
    (tmp_path / "site" / "backbones").mkdir()
    (tmp_path / "site" / "backbones" / "strange.py").write_text(GOOD)  # some other project's, beside the package
    code = "from dta_bench import plugins; print(plugins.names('backbone'), plugins.load('backbone', 'carried').task)"
    env = os.environ | {"PYTHONPATH": str(tmp_path / "site")}
    found = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=env, capture_output=True, text=True, check=True
    )
    assert found.stdout.split("\n")[0] == "['carried'] classification"


OLD = """\"\"\"A net of an earlier version.\"\"\"

from dta_bench.network import Network, replayed

task = "classification"


def build(num_classes, weights):
    return num_classes
"""


def test_an_import_of_an_earlier_version_is_told_with_what_to_write_now(here: Path) -> None:
    (here / "backbones" / "mine.py").write_text(OLD)
    told = refusal("backbone", "mine")
    assert "mine.py, line 3: dta_bench.network has moved or changed; write: " in told
    assert told.endswith("from dta_bench.api import Network, replaying_draws")


def test_a_name_that_no_plugin_can_import_is_told_with_those_that_it_can(here: Path) -> None:
    (here / "backbones" / "mine.py").write_text(OLD.replace("replayed", "spool"))
    assert "dta_bench.api has no spool; it has Archive, Benchmark, " in refusal("backbone", "mine")


def test_a_missing_library_is_told_as_python_tells_it(here: Path) -> None:
    (here / "backbones" / "mine.py").write_text(OLD.replace("dta_bench.network", "no_such_library"))
    assert "line 3: ModuleNotFoundError: No module named 'no_such_library'" in refusal("backbone", "mine")


def test_every_renamed_name_is_one_that_plugins_import_today() -> None:
    assert set(plugins.RENAMED_IMPORTS.values()) <= set(api.__all__)


def test_the_api_has_what_the_shipped_backbones_import() -> None:
    shipped = {file: imports(file) for file in (plugins.PACKAGE.parent / "backbones").glob("*.py")}
    assert shipped
    assert {module for found in shipped.values() for module in found} == {"dta_bench.api"}


def imports(file: Path) -> set[str]:
    tree = ast.walk(ast.parse(file.read_text()))
    modules = {node.module or "" for node in tree if isinstance(node, ast.ImportFrom)}
    return {module for module in modules if module.startswith("dta_bench")}


def test_a_plugins_module_is_loaded_in_one_place_a_kind() -> None:
    calls = [file for file in plugins.PACKAGE.rglob("*.py") if "plugins.load(" in file.read_text()]
    assert {file.name for file in calls} == {"method_plugin.py", "benchmark_plugin.py", "catalogue.py"}


def test_a_name_that_is_no_benchmark_is_told_with_the_suites_too() -> None:
    assert "and pairs of the suites digits_suite, " in refusal("benchmark", "nosuch")
    assert "did you mean pacs?" in refusal("benchmark", "pasc")


def test_an_interrupt_while_a_plug_in_is_imported_is_no_fault_of_it(here: Path) -> None:
    (here / "backbones" / "mine.py").write_text("from dta_bench.errors import Interrupted\n\nraise Interrupted\n")
    with pytest.raises(Interrupted):
        plugins.load("backbone", "mine")
