"""YAML is read by LibYAML where it is there, and means what PyYAML's own parser takes it for."""

from pathlib import Path

import pytest
import yaml

from dta_bench import plugins
from dta_bench.errors import UserError
from dta_bench.spec import yaml_file

SHIPPED = sorted(
    file
    for kind in ("benchmark", "search_space", "method_sets", "recipe", "suite")
    for name in plugins.names(kind)
    if (file := plugins.path(kind, name)).suffix == ".yaml"
)


def test_every_shipped_file_means_the_same_to_both_parsers() -> None:
    assert len(SHIPPED) > 40
    for file in SHIPPED:
        text = file.read_text(encoding="utf-8")
        assert yaml.load(text, yaml_file.FASTEST) == yaml.load(text, yaml.SafeLoader), file


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: [1, 2\nb: 3\n", "line 2: not YAML: expected ',' or ']', but got ':'"),
        ("a: 1\nb: {c: 1, c: 2}\n", "line 2: c is there twice"),
        ("a: 2020-13-45\n", "cannot be read as YAML: month must be in 1..12"),
        ("a: " + "[" * 5000, "cannot be read as YAML: maximum recursion depth exceeded"),
    ],
    ids=["no YAML", "a key twice", "no date", "too deep"],
)
def test_a_mistake_is_told_in_the_words_of_pyyaml(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "mine.yaml").write_text(text)
    with pytest.raises(UserError) as refused:
        yaml_file.read_mapping(tmp_path / "mine.yaml", ["a"])
    assert said in str(refused.value)
