"""Names of metrics: whatever a class is called, MLflow takes the name and gives it back as it was written."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from mlflow.utils.validation import _validate_metric_name

from dta_bench.tracking.metric_names import decode, encode


@given(st.text(max_size=20))
@example("T-shirt & top")
@example("cat, black")
@example("..")
@example("a//b/")
@example("_x0026_")
@example("\udce9")
def test_every_class_name_is_taken_by_mlflow_and_comes_back(name: str) -> None:
    stored = encode(f"test/class/{name}")
    _validate_metric_name(stored)
    assert decode(stored) == f"test/class/{name}"


@pytest.mark.parametrize("name", ["loss/total", "test/class/traffic light", "test/class/café", "a_b.c-d:e"])
def test_names_that_mlflow_takes_stay_as_they_are(name: str) -> None:
    assert encode(name) == name
