"""Experiments and runs: a search-space file read and checked, and the identity of one run.

Nothing here imports torch, so that ``sweep --dry-run`` and errors come at once.
"""

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
    """How long, with what optimiser and on what batches a run trains.

    ``batch_size`` is a batch of *each* domain. The learning rate is multiplied by ``decay_factor`` every
    ``decay_every`` epochs. ``accumulate`` splits a batch into that many pieces whose gradients are averaged, and
    ``devices`` before that into that many parts, each on a device of its own (CPUs where there are no GPUs).
    ``checkpointing`` computes activations again in the backward pass instead of keeping them.
    ``image_size`` takes the place of the benchmark's. Segmentation alone: ``crop`` trains on random cuts of the resized
    image, ``window`` predicts it window by window (overlapping by a third or more) instead of whole.
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
        """How many images of each domain a device computes at once."""
        return self.batch_size // (self.accumulate * self.devices)


class LabelSubset(BaseModel):
    """The labelled images of target train that selection may read: how many, drawn how."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    size: int = Field(gt=0)
    seed: int = 0
    stratified: bool = False


@dataclass(frozen=True)
class RunSpec:
    """Everything that decides a run's numbers, but for data and code, whose fingerprints are kept beside it."""

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
        """The first 12 hex digits of the SHA-256 of the canonical JSON of all fields; 2.0 is spelled 2."""
        fields = self.to_dict() | {"params": {k: _one_spelling(v) for k, v in self.params.items()}}
        return hashlib.sha256(json.dumps(fields, sort_keys=True).encode()).hexdigest()[:12]

    def to_dict(self) -> dict[str, Any]:
        """A plain dict of names and numbers, fit for JSON and for crossing process boundaries."""
        fields = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}
        return fields | {"training": self.training.model_dump(), "label_subset": self.label_subset.model_dump()}

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> RunSpec:
        """The inverse of :meth:`to_dict`."""
        return cls(
            **data
            | {
                "training": Training(**data["training"]),
                "label_subset": LabelSubset(**data["label_subset"]),
            }
        )


def _one_spelling(value: Value) -> Value:
    return int(value) if isinstance(value, float) and value.is_integer() else value


@dataclass(frozen=True)
class Scores:
    """Scores of one set of predictions, in percent. ``per_class`` holds accuracy (or IoU); absent classes are None.

    For label maps ``accuracy`` is over pixels, ``mean_class_accuracy`` the mean recall, ``miou`` the mean IoU.
    """

    accuracy: float
    mean_class_accuracy: float
    per_class: dict[str, float | None]
    miou: float | None = None

    def to_dict(self) -> dict[str, Any]:
        """A plain dict; ``miou`` only where the task has it."""
        return {k: v for k, v in dataclasses.asdict(self).items() if k != "miou" or v is not None}

    def means(self) -> dict[str, float]:
        """The averages by name, ``miou`` only where the task has it."""
        found = {"accuracy": self.accuracy, "mean_class_accuracy": self.mean_class_accuracy}
        return found if self.miou is None else found | {"miou": self.miou}


@dataclass(frozen=True)
class RunResult:
    """What one finished run says: its last validation scores, the single measurement of the target test set."""

    run_id: str
    validation: Scores
    source_validation: Scores
    test: Scores
    collapsed: bool
    epochs: int
    seconds: float  # of training steps
    measuring_seconds: float  # of measuring after each epoch
    whole: Scores | None = None
    """Of target test with the labelled subset put back in, where it had been left out; for comparison alone."""
