"""What a method's file declares is what its whole file says, and is read without torch."""

import dataclasses
import os
import subprocess
import sys
from pathlib import Path

import pytest

from dta_bench import plugins
from dta_bench.spec.declared_method import DeclaredMethod, read_declared
from dta_bench.spec.method_plugin import method_plugin

READ_ALL = """
import sys
from dta_bench import plugins
from dta_bench.spec.declared_method import declared_method
for name in plugins.names("method"):
    method = declared_method(name)
    values = method.defaults()
    params = method.params(values)
    print(name, values, method.floor and method.floor(params), method.before(values), method.need_of_pixels(values))
assert not {"torch", "timm", "scipy"} & sys.modules.keys()
"""


@pytest.fixture
def mine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A place for a method of the user's own."""
    (tmp_path / "methods").mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path / "methods" / "mine.py"


def run(code: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"PYTHONPATH": str(plugins.PACKAGE.parent)}
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment)


def test_no_shipped_method_needs_torch_to_say_what_it_declares() -> None:
    done = run(READ_ALL)
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == len(plugins.names("method"))


@pytest.mark.parametrize("name", plugins.names("method"))
def test_what_a_shipped_file_declares_is_what_it_is_as_a_whole(name: str) -> None:
    declared, whole = read_declared(name, plugins.path("method", name)), method_plugin(name)
    assert isinstance(declared, DeclaredMethod)
    for field in dataclasses.fields(whole):
        one, other = getattr(declared, field.name), getattr(whole, field.name)
        assert one == other or (callable(one) and callable(other)) or field.name == "module", field.name
    types = [{f.name: str(f.type) for f in dataclasses.fields(method.params_type)} for method in (declared, whole)]
    assert types[0] == types[1]
    values = whole.defaults()
    assert declared.defaults() == values
    assert declared.need_of_pixels(values) == whole.need_of_pixels(values)
    if whole.floor is not None:
        assert declared.floor is not None
        assert declared.floor(declared.params(values)) == whole.floor(whole.params(values))
    before, of_whole = declared.before(values), whole.before(values)
    assert (before and (before[0].name, before[1])) == (of_whole and (of_whole[0].name, of_whole[1]))


def test_what_only_the_whole_file_has_is_taken_from_there() -> None:
    assert read_declared("dta", plugins.path("method", "dta")).module.loss is method_plugin("dta").module.loss


PARAMS = "@dataclass(frozen=True)\nclass Params:\n    weight: float = "


@pytest.mark.parametrize(
    "text",
    [
        f"import torch\nscale = float(torch.ones(1))\n{PARAMS}scale\n",
        f"weight = 0.5\nif weight:\n    weight = 1.0\n{PARAMS}weight\n",
        f"values = {{}}\nvalues['weight'] = 1.0\n{PARAMS}values.get('weight', 0.5)\n",
        f"from scipy.special import expit\n{PARAMS}float(2 * expit(0.0))\n",
    ],
    ids=["a value of torch", "a condition", "an assignment to a part", "another library"],
)
def test_a_file_that_does_more_than_to_define_names_is_read_as_a_whole(mine: Path, text: str) -> None:
    mine.write_text(f'"""Mine."""\nfrom dataclasses import dataclass\n{text}\ndef loss(*a):\n    """None."""\n')
    code = "from dta_bench.spec.declared_method import declared_method as d; print(d('mine').params_type().weight)"
    done = run(code)
    assert done.stdout == "1.0\n", done.stderr


def test_a_mistake_in_a_declared_part_is_told_as_ever(mine: Path) -> None:
    mine.write_text(
        '"""Mine."""\nfrom dataclasses import dataclass\n@dataclass\nclass Params:\n    weight: float = 1 / 0\n'
    )
    code = "from dta_bench.spec.declared_method import declared_method as d; d('mine')"
    assert f"{mine}, line 5: ZeroDivisionError" in run(code).stderr
