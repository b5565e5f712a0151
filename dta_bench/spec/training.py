"""How a run trains: how long, with which optimiser, at which learning rate, on which batches."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)

from dta_bench.spec import yaml_file
from dta_bench.spec.schedule import Schedule, whole_options


def _square(given: Any) -> Any:
    return (given, given) if isinstance(given, int) else given


Side = Annotated[int, Field(ge=8, le=16384)]
Size = Annotated[tuple[Side, Side], BeforeValidator(_square)]
"""Height and width in pixels; one number stands for both."""

Part = Literal["backbone", "head"]
"""``backbone``: what pretrained weights fill. ``head``: what is new for the classes, up to the logits."""
Rate = Annotated[float, Field(ge=0, lt=float("inf"))]
Beta = Annotated[float, Field(ge=0, lt=1)]
BETAS = (0.9, 0.999)
Tune = Literal["all", "head", "norm", "lora"]
Noise = Literal["drawn", "counted"]
Kept = Literal["float16", "float32"]
"""The precision in which features are kept."""
MOST_VIEWS = 64
LORA_RANK = 8


BATCHNORM = {"batches": ("separate", "joint"), "statistics": ("both", "target", "frozen")}
"""Key of ``batchnorm`` → its values, the default first."""


class PlayerTraining(BaseModel):
    """What one player of a method does otherwise than the run; see :class:`Training`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    optimizer: Literal["adam", "adamw", "sgd"] = "sgd"
    learning_rate: float = Field(default=1.0, gt=0)
    momentum: float = Field(default=0.9, ge=0, lt=1)
    nesterov: bool = False
    betas: tuple[Beta, Beta] = BETAS
    weight_decay: float = Field(default=0.0, ge=0)
    decay_norms_and_biases: bool = False
    schedule: Schedule | None = None
    schedule_options: dict[str, Any] = Field(default={}, validate_default=True)
    learning_rate_warm_up: int = Field(default=0, ge=0)
    clip_norm: float | None = Field(default=None, gt=0)
    rates: dict[Part, Rate] = {}

    @field_validator("schedule_options")
    @classmethod
    def _whole_options(cls, given: dict[str, Any], info: ValidationInfo) -> dict[str, Any]:
        return whole_options(info.data["schedule"], given) if "schedule" in info.data else given

    def stated(self) -> dict[str, Any]:
        """The fields that were given, as plain values; all options of a schedule that was given."""
        stated = self.model_dump(mode="json", exclude_unset=True)
        return stated | ({"schedule_options": self.schedule_options} if "schedule" in stated else {})


def _stated(player: str, own: Any) -> dict[str, Any]:
    """A player's fields, checked.

    Raises:
        ValueError: every mistake in them, in words.
    """
    if not isinstance(own, dict):
        raise ValueError(f"of {player} there is {own!r}; allowed: fields and their values")
    try:
        return PlayerTraining.model_validate(own).stated()
    except ValidationError as refused:
        allowed = list(PlayerTraining.model_fields)
        problems = (yaml_file.explain(error, allowed) for error in refused.errors())
        raise ValueError("; ".join(f"of {player}, {problem}" for problem in problems)) from refused


class Training(BaseModel):
    """How long, with which optimiser and on which batches a run trains.

    Attributes:
        epochs: number of epochs; they are counted from 1.
        momentum: of SGD.
        decay_every: epochs after which the learning rate is multiplied by ``decay_factor``; None keeps it. It is short
            for ``schedule`` ``step``.
        batch_size: images of *each* domain in a batch.
        precision: of forward passes; weights are float32.
        channels_last: whether tensors of images lie in memory with the channels last, on any device.
        accumulate: pieces into which a device's part of a batch is split; their gradients are averaged.
        devices: devices over which a batch is split first (CPUs where there are no GPUs).
        checkpointing: whether activations are computed again in the backward pass instead of kept.
        image_size: height and width in pixels, instead of the benchmark's.
        crop: for segmentation only: height and width of the random crops of the resized image to train on.
        window: for segmentation only: height and width of the windows, overlapping by a third or more, in which an
            image is predicted instead of at once.
        schedule: what the learning rate is multiplied by in the course of the run; see
            :mod:`dta_bench.spec.schedule`. ``cosine`` and ``poly`` reach 0 when the run ends.
        schedule_options: of the schedule; after validation all of them, also those at their defaults.
        learning_rate_warm_up: iterations over which the rate first rises linearly, on top of the schedule.
        iterations_per_epoch: steps of an epoch; None: as many as the benchmark's ``epoch_length`` gives.
        nesterov: whether SGD's momentum is Nesterov's.
        betas: of Adam and AdamW.
        clip_norm: largest L2 norm of the gradient of all weights of a player; a longer one is scaled down to it.
        decay_norms_and_biases: whether weight decay also acts on biases and on the weights of norms.
        rates: factors of the learning rate of a part of the network: ``backbone``, ``head``; 1 where not given.
        batchnorm: ``batches``: ``separate``, or ``joint``, where source and target go through the network in one batch;
            ``statistics``: which domain's passes move the running statistics, ``both`` or ``target``, or ``frozen``,
            where the backbone keeps those that it was loaded with and normalises by them.
        restate: ``target`` estimates BatchNorm's statistics on target train before each measurement.
        measure_every: epochs from one measurement to the next; the last epoch is always measured. Stop rules see only
            measured epochs.
        survey: images of target train, a fixed sample, whose label-free statistics are measured after an epoch; after
            the last one they are of all images. None: always all. Stop rules see those of the sample.
        augmentation: of the training images, instead of the benchmark's; see :mod:`dta_bench.data.augment`.
        strong_view: names of augmentation that make the strong view of a method that has one, on top of
            ``augmentation``; None: ``strong``.
        players: name of a player of the method (such as a discriminator) → the fields that are otherwise for it.
        tune: which weights of the network train: ``all``; ``head``, those above CAdD's site, on the frozen part below
            it; ``norm``, those of normalisation layers, and all biases; ``lora``, low-rank adapters of linear layers
            and what is new for the classes. What a method adds to the network trains.
        neck_width: for ``tune`` ``head``: the whole network up to its classifier is frozen, and above it come a
            bottleneck of so many units and a new classifier; with 0 the classifier alone (a linear probe).
        views: for ``tune`` ``head``: augmented views of each training image whose features are kept; 0 keeps those of
            the image as evaluation sees it, ``fresh`` keeps none and computes the frozen part in every step.
        kept: the precision in which features are kept.
        lora_rank: for ``tune`` ``lora``: the rank of the adapters.
        tf32: whether a GPU computes products of float32 with the 10 bits of TensorFloat-32.
        deterministic: whether only algorithms are used that give the same bits each time; cuDNN then does not search
            for the fastest ones.
        compile: whether torch.compile compiles the body, the neck and the head of the network; ``reduce_overhead`` also
            records what a GPU is asked to do and repeats it at once (CUDA graphs), for networks of little work.
        data_on_device: whether images go to the device as bytes and are standardised, moved by whole pixels and given
            noise there; None: where that is a GPU.
        gpu_layout: how tensors of images of convolutional networks lie in a GPU's memory, unless ``channels_last``
            says it for every device.
        noise: of an augmentation: ``drawn`` on the host, or ``counted`` where it is added, which gives other numbers,
            the same on every device; see :mod:`dta_bench.data.counted_noise`.
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
    schedule: Schedule | None = None
    schedule_options: dict[str, Any] = Field(default={}, validate_default=True)
    learning_rate_warm_up: int = Field(default=0, ge=0)
    iterations_per_epoch: int | None = Field(default=None, gt=0)
    nesterov: bool = False
    betas: tuple[Beta, Beta] = BETAS
    clip_norm: float | None = Field(default=None, gt=0)
    decay_norms_and_biases: bool = False
    rates: dict[Part, Rate] = {}
    batchnorm: dict[str, str] = {}
    restate: Literal["target"] | None = None
    measure_every: int = Field(default=1, gt=0)
    survey: int | None = Field(default=None, gt=0)
    augmentation: tuple[str, ...] | None = None
    strong_view: tuple[str, ...] | None = None
    players: dict[str, dict[str, Any]] = {}
    tune: Tune = "all"
    neck_width: int | None = Field(default=None, ge=0)
    views: int | Literal["fresh"] = 0
    kept: Kept = "float16"
    lora_rank: int = Field(default=LORA_RANK, gt=0)
    tf32: bool = True
    deterministic: bool = False
    compile: bool | Literal["reduce_overhead"] = False
    data_on_device: bool | None = None
    gpu_layout: Literal["channels_last", "contiguous"] = "channels_last"
    noise: Noise = "drawn"

    @field_validator("schedule_options")
    @classmethod
    def _whole_options(cls, given: dict[str, Any], info: ValidationInfo) -> dict[str, Any]:
        return whole_options(info.data["schedule"], given) if "schedule" in info.data else given

    @field_validator("rates")
    @classmethod
    def _without_ones(cls, given: dict[Part, float]) -> dict[Part, float]:
        return {part: factor for part, factor in sorted(given.items()) if factor != 1}

    @field_validator("batchnorm")
    @classmethod
    def _known_batchnorm(cls, given: dict[str, str]) -> dict[str, str]:
        for key, value in given.items():
            if value not in BATCHNORM.get(key, ()):
                allowed = "; ".join(f"{name}: {', '.join(values)}" for name, values in BATCHNORM.items())
                raise ValueError(f"{key}: {value} is not known; allowed: {allowed}")
        own = {key: value for key, value in sorted(given.items()) if value != BATCHNORM[key][0]}
        if len(own) > 1:
            raise ValueError(
                f"joint batches move the statistics by both domains, so {own['statistics']} is not allowed"
            )
        return own

    @field_validator("players", mode="before")
    @classmethod
    def _players(cls, given: Any) -> Any:
        if not isinstance(given, dict):
            return given
        return {str(name): _stated(str(name), own) for name, own in given.items() if own or not isinstance(own, dict)}

    @model_validator(mode="after")
    def _agrees(self) -> Training:
        pieces = self.accumulate * self.devices
        if self.batch_size % pieces:
            raise ValueError(
                f"batch_size {self.batch_size} does not fall into {pieces} equal pieces (accumulate {self.accumulate} "
                f"times devices {self.devices}); allowed: a multiple of {pieces}"
            )
        if self.schedule is not None and self.decay_every is not None:
            raise ValueError(
                f"decay_every {self.decay_every} and schedule {self.schedule} both set the learning rate; allowed: one "
                "of them (decay_every=null takes it back)"
            )
        if self.nesterov and (self.optimizer != "sgd" or not self.momentum):
            raise ValueError(f"nesterov needs sgd with a momentum, but it is {self.optimizer} with {self.momentum:g}")
        if self.betas != BETAS and self.optimizer == "sgd":
            raise ValueError(f"betas {list(self.betas)} are for adam and adamw, but the optimizer is sgd")
        if self.restate and self.batchnorm.get("statistics") == "frozen":
            raise ValueError("restate target estimates the statistics that batchnorm.statistics frozen keeps")
        if self.survey is not None and self.keeps_features:
            raise ValueError(f"survey {self.survey} is for training on images; on kept features all are measured")
        if self.noise == "counted" and self.keeps_features:
            raise ValueError("noise counted is for training on images; on kept features views are made once and kept")
        if self.compile and self.checkpointing:
            raise ValueError("compile plans itself what is kept for the backward pass; allowed: it or checkpointing")
        self._check_tune()
        return self

    def is_measured(self, epoch: int) -> bool:
        """Whether a run is measured after an epoch, counted from 1."""
        return epoch % self.measure_every == 0 or epoch == self.epochs

    def _check_tune(self) -> None:
        """What goes with ``tune`` goes with its value."""
        stated = {"neck_width": self.neck_width, "views": self.views or None,
                  "kept": None if self.kept == "float16" else self.kept}  # fmt: skip
        own = [f"{name} {value}" for name, value in stated.items() if value is not None]
        if own and self.tune != "head":
            raise ValueError(f"{' and '.join(own)} is for tune head, but tune is {self.tune}")
        if self.lora_rank != LORA_RANK and self.tune != "lora":
            raise ValueError(f"lora_rank {self.lora_rank} is for tune lora, but tune is {self.tune}")
        if isinstance(self.views, int) and not 0 <= self.views <= MOST_VIEWS:
            raise ValueError(f"views {self.views} is not allowed; allowed: 0 to {MOST_VIEWS}, or fresh")
        if self.views == "fresh" and self.kept != "float16":
            raise ValueError(f"kept {self.kept} says how features are kept, and with views fresh none are")
        if self.checkpointing and self.tune == "head":
            raise ValueError("checkpointing saves memory in the backward pass, and with tune head there is none below")

    @property
    def keeps_features(self) -> bool:
        """Whether the frozen part is computed once for each image and view, and what it gives is kept."""
        return self.tune == "head" and self.views != "fresh"

    @property
    def piece(self) -> int:
        """Images of each domain that a device computes at once."""
        return self.batch_size // (self.accumulate * self.devices)

    def of_player(self, changes: dict[str, Any]) -> Training:
        """Return this training with a player's own fields over it.

        A player with its own optimiser starts from that optimiser's defaults, one with its own schedule without
        ``decay_every``.

        Raises:
            pydantic.ValidationError: the fields do not go together.
        """
        reset: dict[str, Any] = {"nesterov": False, "betas": BETAS} if "optimizer" in changes else {}
        reset |= {"decay_every": None, "schedule_options": {}} if "schedule" in changes else {}
        return Training.model_validate(self.model_dump() | {"players": {}} | reset | changes)
