"""A domain pair of the user's own, stated in YAML: two folders, the classes that both have, the image size."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from dta_bench.errors import UserError
from dta_bench.spec import yaml_file
from dta_bench.spec.benchmark import Benchmark
from dta_bench.spec.run_spec import Headline, Task

IGNORED = 255
DEFAULT_AUGMENTATION = {
    "classification": ("source:random_resized_crop", "target:resize", "hflip"),  # that of VisDA
    "segmentation": ("resize",),
}


def _square(given: Any) -> Any:
    return (given, given) if isinstance(given, int) else given


def _by_class(given: Any) -> Any:
    """A list of classes, or classes with the other names that folders and lists call them by."""
    if isinstance(given, list):
        return dict.fromkeys(given, ())
    if isinstance(given, dict):
        return {name: (other,) if isinstance(other, str) else tuple(other or ()) for name, other in given.items()}
    raise ValueError("allowed: a list of names, or a mapping from names to the folders' names")


def _two_or_more(classes: dict[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
    if len(classes) < 2:
        raise ValueError("allowed: two classes or more")
    return classes


def _values(given: Any) -> Any:
    return (given,) if isinstance(given, int) else given


Classes = Annotated[dict[str, tuple[str, ...]], AfterValidator(_two_or_more), BeforeValidator(_by_class)]
Byte = Annotated[int, Field(ge=0, le=255)]
Side255 = Annotated[int, Field(gt=0, le=16384)]


class Side(BaseModel):
    """One domain: a folder under the root (or an absolute one), and how its images are named.

    Classification: a folder a class; or ``list``, a file in the folder with a line an image, its path and its class
    (a name or an index). Segmentation: subfolders ``images`` and ``masks`` with files of one name.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    folder: str = Field(min_length=1)
    name: str = ""
    list: str | None = None
    images: str = "images"
    masks: str = "masks"
    values: dict[str, Annotated[tuple[Byte, ...], BeforeValidator(_values)]] | None = None
    colours: dict[str, tuple[Byte, Byte, Byte]] | None = None


class Target(Side):
    """The target, which may have its test images in a folder of their own."""

    test: str | None = None


def _folder(given: Any) -> Any:
    return {"folder": given} if isinstance(given, str) else given


class PairFile(BaseModel):
    """A file ``benchmarks/<name>.yaml``.

    ``classes`` may say what folders or lists call a class: ``car: [auto, vehicle]``; ``leave_out`` names what is no
    class of the pair. ``labels`` is how many labelled images of target train selection may read. ``values`` (the
    numbers in masks) or ``colours`` say which pixels are of which class, in both domains unless a domain has its own.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    task: Task = "classification"
    source: Annotated[Side, BeforeValidator(_folder)]
    target: Annotated[Target, BeforeValidator(_folder)]
    classes: Classes
    leave_out: tuple[str, ...] = ()
    image_size: Annotated[tuple[Side255, Side255], BeforeValidator(_square)]
    labels: int = Field(gt=0)
    validation_share: float = Field(default=0.1, gt=0, lt=1)
    test_share: float = Field(default=0.3, gt=0, lt=1)
    headline: Headline | None = None
    standardisation: Literal["per_sample", "imagenet"] = "imagenet"
    augmentation: tuple[str, ...] | None = None
    epoch_length: Literal["source", "target", "larger"] = "larger"
    values: dict[str, Annotated[tuple[Byte, ...], BeforeValidator(_values)]] | None = None
    colours: dict[str, tuple[Byte, Byte, Byte]] | None = None

    @model_validator(mode="after")
    def _agrees(self) -> PairFile:
        problems = [*_claimed_twice(self), *_of_no_class(self)]
        if (self.headline == "miou") != (self.task == "segmentation") and self.headline is not None:
            problems.append(f"headline is {self.headline!r}, which {self.task} does not have")
        if problems:
            raise ValueError("; ".join(problems))
        return self


def _claimed_twice(file: PairFile) -> list[str]:
    names = [name for one, others in file.classes.items() for name in {one, *others}] + list(file.leave_out)
    twice = sorted({name for name in names if names.count(name) > 1})
    return [f"{name!r} stands for two of classes and leave_out" for name in twice]


def _of_no_class(file: PairFile) -> list[str]:
    given = {
        f"{where}{key}": getattr(part, key)
        for where, part in (("", file), ("source.", file.source), ("target.", file.target))
        for key in ("values", "colours")
    }
    return [
        f"{where}.{name} is no class{yaml_file.guess(name, file.classes)}; classes: {', '.join(file.classes)}"
        for where, mapping in given.items()
        for name in mapping or ()
        if name not in file.classes
    ]


def read(path: Path) -> PairFile:
    """The pair that a file states.

    Raises:
        UserError: everything that is wrong in it, at once.
    """
    content = yaml_file.mapping(path, PairFile.model_fields)
    try:
        return PairFile.model_validate(content)
    except ValidationError as refused:
        models: dict[Any, type[BaseModel]] = {"source": Side, "target": Target}
        problems = [
            yaml_file.told(error, list(models.get((*error["loc"], "")[0], PairFile).model_fields
                                       if len(error["loc"]) > 1 else PairFile.model_fields))
            for error in refused.errors()
        ]  # fmt: skip
        raise UserError("\n  ".join([f"{path} cannot be used:", *problems])) from refused


def opening(path: Path) -> str:
    """The file's first comment, which says what the pair is."""
    lines = path.read_text(encoding="utf-8").splitlines()
    first = next((line.lstrip("# ").strip() for line in lines if line.startswith("#")), "")
    return first or f"The pair that {path.name} states."


def benchmark(name: str, file: PairFile) -> Benchmark:
    """What a table's heading says of the pair."""
    default: Headline = "miou" if file.task == "segmentation" else "mean_class_accuracy"
    return Benchmark(
        name=name,
        task=file.task,
        classes=tuple(file.classes),
        source=file.source.name or file.source.folder,
        target=file.target.name or file.target.folder,
        image_size=file.image_size,
        headline=file.headline or default,
        label_budget=file.labels,
        label_budget_source=f"the user's: {file.labels} images",
        standardisation=file.standardisation,
        augmentation=DEFAULT_AUGMENTATION[file.task] if file.augmentation is None else file.augmentation,
        splits_stated=_splits_stated(file),
        ignore_index=IGNORED,
        epoch_length=file.epoch_length,
    )


def _splits_stated(file: PairFile) -> str:
    each = " of each class" if file.task == "classification" else ""
    test = (
        f"target test = {file.target.test}, target train = {file.target.folder}"
        if file.target.test
        else f"target test = {100 * file.test_share:g} %{each} of the target, drawn by seed 0; target train = the rest"
    )
    return f"source validation = {100 * file.validation_share:g} %{each} of the source, drawn by seed 0; {test}"
