"""The description of a benchmark: one domain pair, its classes, its sizes, its metric."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from dta_bench.spec.run_spec import Headline, Task, Training


@dataclass(frozen=True)
class Benchmark:
    """One domain pair, as the heading of a table states it.

    Attributes:
        source: name of the source domain, as ``target`` is of the target domain.
        image_size: height and width in pixels to which images are resized.
        headline: the metric by which runs are compared.
        label_budget: images in the labelled subset, the only target labels that selection may read; 0 where there is
            none, or where it is given.
        label_budget_source: who set the label budget.
        labels_given: whether the user gives the labelled subset instead of having it drawn.
        standardisation: how an image becomes network input: ``per_sample`` subtracts the image's own mean and divides
            by its own deviation (French et al.), ``imagenet`` uses ImageNet's channel statistics.
        augmentation: parts of :mod:`dta_bench.data.augment`.
        strong_view: names of the same kind that make a second, strong view of the target, for methods that use one.
        splits_stated: who says which images are in which set.
        ignore_index: the label of pixels that are neither trained on nor measured.
        epoch_length: the domain that an epoch goes through once; the other is cut, or reshuffled and repeated.
        published_sizes: how many images the owners of the sets count: ``source`` (training and validation),
            ``target_train``, ...
        crop: height and width of the random crops that training sees of the resized images; None: the whole image.
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
    crop: tuple[int, int] | None = None
    labels_given: bool = False
    strong_view: tuple[str, ...] = ("strong",)

    @property
    def train_size(self) -> tuple[int, int]:
        """Height and width in pixels of what a network is trained on."""
        return self.crop or self.image_size

    def for_training(self, training: Training) -> Benchmark:
        """Return the benchmark at the image size, crop, augmentation and strong view of a run's training."""
        return replace(
            self, image_size=training.image_size or self.image_size, crop=training.crop or self.crop,
            augmentation=self.augmentation if training.augmentation is None else training.augmentation,
            strong_view=training.strong_view or self.strong_view,
        )  # fmt: skip
