"""One run as names and numbers: its labelled subset, its identity, its scores and its result."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from dta_bench.spec import identity
from dta_bench.spec.budget import Budget
from dta_bench.spec.training import Training

__all__ = ["Headline", "LabelSubset", "RunResult", "RunSpec", "Scores", "Task", "Training", "Value"]

Value = float | int | str | bool
Task = Literal["classification", "segmentation"]
Headline = Literal["accuracy", "mean_class_accuracy", "miou"]


class LabelSubset(BaseModel):
    """How the labelled subset is drawn from target train.

    Attributes:
        size: number of images; 0 where there is no labelled subset, or where it is given.
        seed: of the draw.
        stratified: whether each class gets its share.
        given: whether the user gives the subset instead of having it drawn; the data's fingerprint covers which
            images it holds.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    size: int = Field(ge=0)
    seed: int = 0
    stratified: bool = False
    given: bool = False

    @property
    def is_there(self) -> bool:
        """Whether there is a labelled subset at all."""
        return self.given or self.size > 0


@dataclass(frozen=True)
class RunSpec:
    """Everything that decides a run's numbers, except data and code, whose fingerprints are stored beside it.

    Attributes:
        benchmark: name of the plug-in, as ``backbone`` and ``method`` are.
        weights: pretrained weights of the backbone; ``none`` for random ones.
        params: all parameters of the method.
        seed: of weights, batches and masks.
        budget: what all stages together may train; None: each stage trains as many epochs as ``training`` says.
    """

    benchmark: str
    backbone: str
    weights: str
    method: str
    params: dict[str, Value]
    training: Training
    label_subset: LabelSubset
    seed: int
    budget: Budget | None = None

    @property
    def id(self) -> str:
        """The run's identity, a hash of its fields, see :mod:`dta_bench.spec.identity`."""
        return identity.identity(self.to_dict(), _defaults())

    def identifying_fields(self) -> dict[str, Any]:
        """The fields that the identity is a hash of, as a plain dict; later fields at their default are not there."""
        return identity.hashed_fields(self.to_dict(), _defaults())

    def to_dict(self) -> dict[str, Any]:
        """Return a plain dict of names and numbers, for JSON and for other processes."""
        fields = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}
        fields |= {"training": self.training.model_dump(), "label_subset": self.label_subset.model_dump()}
        budget = fields.pop("budget")
        return fields if budget is None else fields | {"budget": budget.model_dump(mode="json")}

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> RunSpec:
        """Make the spec that :meth:`to_dict` was called on."""
        return cls(
            **data
            | {
                "training": Training(**data["training"]),
                "label_subset": LabelSubset(**data["label_subset"]),
                "budget": Budget(**data["budget"]) if "budget" in data else None,
            }
        )

    @classmethod
    def read_stored(cls, data: dict[str, Any]) -> tuple[RunSpec, tuple[str, ...]]:
        """Read a spec that another version may have stored; fields that it lacks have their defaults.

        Returns:
            The spec, and the names of stored fields that this version does not know.

        Raises:
            ValueError, TypeError, KeyError: it is no spec, or holds a value that is not allowed today.
        """
        known = {
            "": frozenset(field.name for field in dataclasses.fields(cls)),
            "training": frozenset(Training.model_fields),
            "label_subset": frozenset(LabelSubset.model_fields),
        }
        if not isinstance(data, dict) or not all(isinstance(data.get(part, {}), dict) for part in known):
            raise TypeError("a stored spec is an object, and so are its parts")
        kept, unknown = identity.split_unknown(data, known)
        return cls.from_dict(kept), unknown


def _defaults() -> dict[str, dict[str, Any]]:
    """Part of a spec → the default of each of its fields that has one."""
    own = {field.name: field.default for field in dataclasses.fields(RunSpec)}
    parts: dict[str, type[BaseModel]] = {"training": Training, "label_subset": LabelSubset}
    defaults = {"": {name: value for name, value in own.items() if value is not dataclasses.MISSING}}
    return defaults | {
        part: {name: field.default for name, field in model.model_fields.items() if not field.is_required()}
        for part, model in parts.items()
    }


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
        validation: scores on the labelled subset after the last epoch; None where there is no such subset.
        source_validation: scores on source validation after the last epoch.
        test: the single measurement of the target test set; None where no labelled test is there.
        collapsed: whether fewer than half of the classes are in use, see ``evaluation.metrics.collapsed``.
        epochs: of its training.
        seconds: of training steps.
        measuring_seconds: of the evaluations after epochs.
        whole: scores of target test with the labelled subset put back in, where it had been left out; only for
            comparison with papers.
        enlarged_labels: scores of target test where predicted labels are enlarged to the size of the label maps instead
            of logits; None where these are not larger.
    """

    run_id: str
    validation: Scores | None
    source_validation: Scores
    test: Scores | None
    collapsed: bool
    epochs: int
    seconds: float
    measuring_seconds: float
    whole: Scores | None = None
    enlarged_labels: Scores | None = None
