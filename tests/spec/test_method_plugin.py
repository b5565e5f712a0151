"""A method's file as a record: what it may say, and how a wrong word is refused."""

import ast
import pickle
from dataclasses import fields
from pathlib import Path

import pytest

from dta_bench import plugins
from dta_bench.errors import UserError
from dta_bench.spec.method_plugin import MethodPlugin, method_plugin

MINE = """\"\"\"Mine.\"\"\"
from dataclasses import dataclass

@dataclass(frozen=True)
class Params:
    weight: float = 1.0

def loss(net, source, target, epoch, params):
    return {}
"""


@pytest.fixture
def methods(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "methods").mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path / "methods"


def test_what_a_file_does_not_say_has_its_default(methods: Path) -> None:
    (methods / "mine.py").write_text(MINE)
    mine = method_plugin("mine")
    assert (mine.tasks, mine.uses_target_labels, mine.second_view) == (("classification", "segmentation"), False, None)
    assert mine.before({}) is None
    assert mine.defaults() == {"weight": 1.0, "source_only_epochs": 0}


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (
            "tasks = 'classification'",
            "tasks is 'classification'; allowed: a tuple of 'classification' and 'segmentation'",
        ),
        ("tasks = ('detection',)", "tasks is ('detection',); allowed: a tuple of"),
        ("second_view = 'weak'", "second_view is 'weak'; allowed: 'again', 'strong' or None"),
        ("uses_target_labels = 'yes'", "uses_target_labels is 'yes'; allowed: True or False"),
        ("floor = 2.0", "floor is 2.0; allowed: a function"),
        ("first_stage = 'vada'", "first_stage is 'vada'; allowed: a function"),
        ("above_floor = None", "above_floor is None; allowed: text"),
    ],
)
def test_an_optional_name_with_a_wrong_value_is_refused_with_what_is_allowed(
    methods: Path, line: str, said: str
) -> None:
    (methods / "mine.py").write_text(f"{MINE}\n{line}\n")
    with pytest.raises(UserError) as refused:
        method_plugin("mine")
    assert str(refused.value).startswith(f"{methods / 'mine.py'}: {said}")


def test_the_first_stage_comes_with_all_its_parameters() -> None:
    before = method_plugin("dirt_t").before(method_plugin("dirt_t").defaults() | {"epsilon": 2.0})
    assert before is not None
    first, params = before
    assert first.name == "vada"
    assert params == first.defaults() | {"epsilon": 2.0, "alpha": params["alpha"]}


def test_only_its_name_crosses_to_another_process() -> None:
    kept = pickle.dumps(method_plugin("mcd"))
    assert len(kept) < 200
    assert pickle.loads(kept).name == "mcd"


def test_no_other_file_asks_a_method_for_its_optional_names() -> None:
    optional = {field.name for field in fields(MethodPlugin)} - {"name", "module", "params_type"}
    asking = []
    for file in plugins.PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") in ("getattr", "hasattr"):
                name = node.args[1]
                if isinstance(name, ast.Constant) and name.value in optional:
                    asking.append(file.name)
    assert asking == []
