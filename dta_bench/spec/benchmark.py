"""What a benchmark says of itself: one domain pair, its classes, its sizes, its metric."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from dta_bench.spec.run_spec import Headline, Task, Training


@dataclass(frozen=True)
class Benchmark:
    """One domain pair, as the table's heading states it.

    ``standardisation`` says how an image becomes network input: ``per_sample`` subtracts the image's
    own mean and divides by its own deviation (French et al.), ``imagenet`` uses ImageNet's channel
    statistics. ``label_budget`` is the size of the labelled target subset that selection may read,
    ``label_budget_source`` says who set it. ``augmentation`` names the parts of :mod:`dta_bench.data.augment`.
    ``crop`` is the size of the random cuts that training sees of an image resized to ``image_size``; None: all of it.
    ``epoch_length`` says which domain an epoch goes through once; the other is cut, or reshuffled and repeated.
    """

    name: str
    task: Task
    classes: tuple[str, ...]
    source: str
    target: str
    image_size: tuple[int, int]
    headline: Headline
    label_budget: int
    label_budget_source: str
    standardisation: Literal["per_sample", "imagenet"] = "per_sample"
    augmentation: tuple[str, ...] = ()
    splits_stated: str = ""
    ignore_index: int = 255
    epoch_length: Literal["source", "target", "larger"] = "larger"
    published_sizes: Mapping[str, int] = field(default_factory=dict)
    """How many images the owners of the sets count: ``source`` (training and validation), ``target_train``, ..."""
    crop: tuple[int, int] | None = None

    @property
    def train_size(self) -> tuple[int, int]:
        """Height and width of what a network is trained on."""
        return self.crop or self.image_size

    def for_training(self, training: Training) -> Benchmark:
        """As a run with this training sees it: at its image size, trained on its crops."""
        return replace(self, image_size=training.image_size or self.image_size, crop=training.crop or self.crop)
