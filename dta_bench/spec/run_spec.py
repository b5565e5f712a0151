"""One run as names and numbers: its training, its labelled subset, its identity, its scores and its result."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

Value = float | int | str | bool
Task = Literal["classification", "segmentation"]
Headline = Literal["accuracy", "mean_class_accuracy", "miou"]


def _square(given: Any) -> Any:
    return (given, given) if isinstance(given, int) else given


Side = Annotated[int, Field(ge=8, le=16384)]
Size = Annotated[tuple[Side, Side], BeforeValidator(_square)]
"""Height and width in pixels; one number stands for both."""


class Training(BaseModel):
    """How long, with which optimiser and on which batches a run trains.

    Attributes:
        epochs: number of epochs; they are counted from 1.
        momentum: of SGD.
        decay_every: epochs after which the learning rate is multiplied by ``decay_factor``; None keeps it.
        batch_size: images of *each* domain in a batch.
        precision: of forward passes; weights are float32.
        channels_last: whether tensors of images lie in memory with the channels last.
        accumulate: pieces into which a device's part of a batch is split; their gradients are averaged.
        devices: devices over which a batch is split first (CPUs where there are no GPUs).
        checkpointing: whether activations are computed again in the backward pass instead of kept.
        image_size: height and width in pixels, instead of the benchmark's.
        crop: for segmentation only: height and width of the random crops of the resized image to train on.
        window: for segmentation only: height and width of the windows, overlapping by a third or more, in which an
            image is predicted instead of at once.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    epochs: int = Field(gt=0)
    optimizer: Literal["adam", "adamw", "sgd"]
    learning_rate: float = Field(gt=0)
    momentum: float = Field(default=0.9, ge=0, lt=1)
    weight_decay: float = Field(default=0.0, ge=0)
    decay_every: int | None = Field(default=None, gt=0)
    decay_factor: float = Field(default=0.1, gt=0, le=1)
    batch_size: int = Field(gt=0)
    precision: Literal["float32", "bfloat16"] = "float32"
    channels_last: bool = False
    accumulate: int = Field(default=1, gt=0)
    devices: int = Field(default=1, gt=0)
    checkpointing: bool = False
    image_size: Size | None = None
    crop: Size | None = None
    window: Size | None = None

    @model_validator(mode="after")
    def _agrees(self) -> Training:
        pieces = self.accumulate * self.devices
        if self.batch_size % pieces:
            raise ValueError(
                f"batch_size {self.batch_size} does not fall into {pieces} equal pieces (accumulate {self.accumulate} "
                f"times devices {self.devices}); allowed: a multiple of {pieces}"
            )
        return self

    @property
    def piece(self) -> int:
        """Images of each domain that a device computes at once."""
        return self.batch_size // (self.accumulate * self.devices)


class LabelSubset(BaseModel):
    """How the labelled subset is drawn from target train.

    Attributes:
        size: number of images.
        seed: of the draw.
        stratified: whether each class gets its share.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    size: int = Field(gt=0)
    seed: int = 0
    stratified: bool = False


@dataclass(frozen=True)
class RunSpec:
    """Everything that decides a run's numbers, except data and code, whose fingerprints are stored beside it.

    Attributes:
        benchmark: name of the plug-in, as ``backbone`` and ``method`` are.
        weights: pretrained weights of the backbone; ``none`` for random ones.
        params: all parameters of the method.
        seed: of weights, batches and masks.
    """

    benchmark: str
    backbone: str
    weights: str
    method: str
    params: dict[str, Value]
    training: Training
    label_subset: LabelSubset
    seed: int

    @property
    def id(self) -> str:
        """The run's identity: the first 12 hex digits of the SHA-256 of all fields as sorted JSON, where 2.0 is 2."""
        fields = self.to_dict() | {"params": {k: _whole_as_int(v) for k, v in self.params.items()}}
        return hashlib.sha256(json.dumps(fields, sort_keys=True).encode()).hexdigest()[:12]

    def to_dict(self) -> dict[str, Any]:
        """Return a plain dict of names and numbers, for JSON and for other processes."""
        fields = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}
        return fields | {"training": self.training.model_dump(), "label_subset": self.label_subset.model_dump()}

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> RunSpec:
        """Make the spec that :meth:`to_dict` was called on."""
        return cls(
            **data
            | {
                "training": Training(**data["training"]),
                "label_subset": LabelSubset(**data["label_subset"]),
            }
        )


def _whole_as_int(value: Value) -> Value:
    return int(value) if isinstance(value, float) and value.is_integer() else value


@dataclass(frozen=True)
class Scores:
    """Scores of one set of predictions, in percent.

    Attributes:
        accuracy: share of images, or of pixels of label maps, whose class is predicted.
        mean_class_accuracy: mean recall over classes.
        per_class: accuracy of each class, or its IoU for label maps; None for a class that is absent.
        miou: mean IoU; None for images of one class each.
    """

    accuracy: float
    mean_class_accuracy: float
    per_class: dict[str, float | None]
    miou: float | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return a plain dict; ``miou`` only for label maps."""
        return {k: v for k, v in dataclasses.asdict(self).items() if k != "miou" or v is not None}

    def means(self) -> dict[str, float]:
        """Return the averages by name; ``miou`` only for label maps."""
        averages = {"accuracy": self.accuracy, "mean_class_accuracy": self.mean_class_accuracy}
        return averages if self.miou is None else averages | {"miou": self.miou}


@dataclass(frozen=True)
class RunResult:
    """The result of one finished run.

    Attributes:
        validation: scores on the labelled subset after the last epoch.
        source_validation: scores on source validation after the last epoch.
        test: the single measurement of the target test set.
        collapsed: whether fewer than half of the classes are in use, see ``evaluation.metrics.collapsed``.
        epochs: of its training.
        seconds: of training steps.
        measuring_seconds: of the evaluations after epochs.
        whole: scores of target test with the labelled subset put back in, where it had been left out; only for
            comparison with papers.
    """

    run_id: str
    validation: Scores
    source_validation: Scores
    test: Scores
    collapsed: bool
    epochs: int
    seconds: float
    measuring_seconds: float
    whole: Scores | None = None
