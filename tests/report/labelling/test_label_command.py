"""``dta-bench label``: a new user learns from the page and the answer what to write, and how much of it is worth it."""

from pathlib import Path
from typing import Any

import fake_datasets
import numpy as np
import pytest
import yaml

from dta_bench.report.labelling.command import label
from dta_bench.run.workspace import Workspace


def drawn(out: Path, **keys: Any) -> dict[str, Any]:
    """What the command answers for four of eight images without labels."""
    for i in range(8):
        fake_datasets.save(out / f"data/street/{i}.png", np.full((8, 8, 3), 20 * i, np.uint8))
    (out / "benchmarks").mkdir()
    pair = {"source": "studio", "target": {"images": "street"}, "image_size": 8} | keys
    (out / "benchmarks/mine.yaml").write_text(yaml.safe_dump(pair))
    return label("mine", 4, None, None, None, None, Workspace(str(out / "data"), str(out), "sqlite:///none"))


def page_of(found: dict[str, Any]) -> str:
    return Path(found["contact_sheet"]).read_text()


def test_classes_are_named_and_what_labels_were_worth_on_similar_pairs_is_told(out: Path) -> None:
    found = drawn(out, classes=["cat", "dog"])
    assert "the class of each image, one of cat, dog" in page_of(found)
    assert "On 2 pairs of ours, choosing by few labels lost points" in found["worth"]


@pytest.mark.parametrize(("keys", "said"), [
    ({}, "0 road, 1 car; 255 for pixels of no class"),
    ({"values": {"road": 7, "car": 26}}, "with the values or colours that the pair"),
])  # fmt: skip
def test_the_form_of_masks_is_told_and_that_their_worth_was_not_measured(
    keys: dict[str, Any], said: str, out: Path
) -> None:
    found = drawn(out, task="segmentation", classes=["road", "car"], **keys)
    assert said in page_of(found)
    assert found["worth"] == "How many labels are worth it was not measured for segmentation."
