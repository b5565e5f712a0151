"""Read a user's own pair from YAML: two folders, the classes that both have, and the image size."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from dta_bench.domains.file_names import composed
from dta_bench.errors import UserError
from dta_bench.spec import yaml_file
from dta_bench.spec.benchmark import Benchmark
from dta_bench.spec.run_spec import Headline, Task

IGNORED = 255
TEXTS = {
    **dict.fromkeys(("leave_out", "values", "colours", "source", "target", "folder", "name", "list", "images"), False),
    **dict.fromkeys(("masks", "image_suffix", "mask_suffix", "test", "labelled"), False), "classes": True,
}  # fmt: skip
"""Keys whose value (or names in it) is text; True: the values of a mapping too."""
DEFAULT_AUGMENTATION = {
    "classification": ("source:random_resized_crop", "target:resize", "hflip"),  # that of VisDA
    "segmentation": ("resize",),
}


def _as_square(given: Any) -> Any:
    return (given, given) if isinstance(given, int) else given


def _with_other_names(given: Any) -> Any:
    """Class → its other names in folders and lists, from a list of classes or a mapping."""
    if isinstance(given, list) and all(isinstance(name, str) for name in given):
        return dict.fromkeys(given, ())
    if isinstance(given, dict) and all(isinstance(other, str | list | None) for other in given.values()):
        return {name: (other,) if isinstance(other, str) else tuple(other or ()) for name, other in given.items()}
    raise ValueError("allowed: a list of names, or a mapping from names to the folders' names")


def _two_or_more(classes: dict[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
    if len(classes) < 2:
        raise ValueError("allowed: two classes or more")
    return classes


def _as_tuple(given: Any) -> Any:
    return (given,) if isinstance(given, int) else given


Classes = Annotated[dict[str, tuple[str, ...]], AfterValidator(_two_or_more), BeforeValidator(_with_other_names)]
Byte = Annotated[int, Field(ge=0, le=255)]
SideLength = Annotated[int, Field(gt=0, le=16384)]


class DomainFolder(BaseModel):
    """One domain: a folder under the data root (or an absolute one), and how its images and labels are found in it.

    For classification the folder has a folder for each class, or a file ``list`` in which each line has an image's path
    and its class, as a name or an index. For segmentation it has the folders ``images`` and ``masks``; an image and its
    mask have the same name, but for ``image_suffix`` and ``mask_suffix``.

    Attributes:
        folder: the folder.
        name: the domain's name in tables; the folder's name if it is empty.
        list: the list file, in the folder.
        images: the folder of images, for segmentation.
        masks: the folder of masks, for segmentation.
        image_suffix: what an image's name (without its type) ends in and its mask's does not; None: the pair's.
        mask_suffix: what a mask's name (without its type) ends in and its image's does not; None: the pair's.
        values: class → its numbers in this domain's masks.
        colours: class → its colour (red, green, blue) in this domain's masks.
        bits: how many bits hold numbers in this domain's images of 16 bits; the upper 8 of them are read. None: all 16.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    folder: str = Field(min_length=1)
    name: str = ""
    list: str | None = None
    images: str = "images"
    masks: str = "masks"
    image_suffix: str | None = None
    mask_suffix: str | None = None
    values: dict[str, Annotated[tuple[Byte, ...], BeforeValidator(_as_tuple)]] | None = None
    colours: dict[str, tuple[Byte, Byte, Byte]] | None = None
    bits: Annotated[int, Field(ge=9, le=16)] | None = None


class TargetFolder(DomainFolder):
    """The target, which may have its test images in a folder of their own, and may have no labels.

    Attributes:
        folder: as of any domain; empty where ``images`` names images without labels.
        images: with ``folder`` as of any domain; without it, images without labels: a folder under the data root, or a
            file that lists images.
        test: the labelled test: a folder like that of a domain.
        labelled: the labelled subset: a CSV file ``path,class`` (``path,mask`` for segmentation), or a folder like that
            of a domain. None: it is drawn.
    """

    folder: str = ""
    test: str | None = Field(default=None, min_length=1)
    labelled: str | None = Field(default=None, min_length=1)

    @model_validator(mode="after")
    def _says_where(self) -> TargetFolder:
        if not self.folder and "images" not in self.model_fields_set:
            raise ValueError("allowed: folder (with labels), or images (without labels)")
        if not self.images:
            raise ValueError("images is empty; allowed: a folder")
        return self

    @property
    def path(self) -> str:
        """The folder or the list of its images."""
        return self.folder or self.images


def _as_mapping(given: Any) -> Any:
    return {"folder": given} if isinstance(given, str) else given


class PairFile(BaseModel):
    """The content of a file ``benchmarks/<name>.yaml``.

    Attributes:
        task: ``classification`` or ``segmentation``.
        source: the source domain.
        target: the target domain.
        classes: class → the other names that folders or lists have for it, as in ``car: [auto, vehicle]``.
        leave_out: names in folders or lists that are no class of the pair.
        image_size: (height, width) in pixels.
        labels: size of the labelled subset; None or 0 where there is none, None where ``target.labelled`` gives it.
        validation_share: share of the source that becomes source validation.
        test_share: share of the target that becomes target test, if that has no folder of its own.
        headline: the metric that runs are compared by; mean IoU for segmentation, else mean class accuracy.
        standardisation: see :class:`~dta_bench.spec.benchmark.Benchmark`.
        augmentation: see :class:`~dta_bench.data.augment.Augmentation`; None: ``DEFAULT_AUGMENTATION``.
        epoch_length: the domain that an epoch goes through once.
        image_suffix: what images' names end in and their masks' do not, in both domains; a domain may have its own.
        mask_suffix: what masks' names end in and their images' do not, in both domains; a domain may have its own.
        values: class → its numbers in the masks of both domains; a domain may have its own.
        colours: class → its colour (red, green, blue) in the masks of both domains; a domain may have its own.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    task: Task = "classification"
    source: Annotated[DomainFolder, BeforeValidator(_as_mapping)]
    target: Annotated[TargetFolder, BeforeValidator(_as_mapping)]
    classes: Classes
    leave_out: tuple[str, ...] = ()
    image_size: Annotated[tuple[SideLength, SideLength], BeforeValidator(_as_square)]
    labels: int | None = Field(default=None, ge=0)
    validation_share: float = Field(default=0.1, gt=0, lt=1)
    test_share: float = Field(default=0.3, gt=0, lt=1)
    headline: Headline | None = None
    standardisation: Literal["per_sample", "imagenet"] = "imagenet"
    augmentation: tuple[str, ...] | None = None
    epoch_length: Literal["source", "target", "larger"] = "larger"
    image_suffix: str = ""
    mask_suffix: str = ""
    values: dict[str, Annotated[tuple[Byte, ...], BeforeValidator(_as_tuple)]] | None = None
    colours: dict[str, tuple[Byte, Byte, Byte]] | None = None

    @model_validator(mode="after")
    def _is_consistent(self) -> PairFile:
        problems = [*_repeated_names(self), *_mappings_of_no_class(self)]
        if (self.headline == "miou") != (self.task == "segmentation") and self.headline is not None:
            problems.append(f"headline is {self.headline!r}, which {self.task} does not have")
        if self.labels is not None and self.target.labelled:
            problems.append(f"labels is {self.labels}, but target.labelled gives the labelled subset; leave one out")
        if problems:
            raise ValueError("; ".join(problems))
        return self


def _repeated_names(file: PairFile) -> list[str]:
    of_classes = [name for one, others in file.classes.items() for name in {composed(one), *map(composed, others)}]
    names = of_classes + list(map(composed, file.leave_out))
    repeated = sorted({name for name in names if names.count(name) > 1})
    return [f"{name!r} stands for two of classes and leave_out" for name in repeated]


def _mappings_of_no_class(file: PairFile) -> list[str]:
    mappings = {
        f"{where}{key}": getattr(part, key)
        for where, part in (("", file), ("source.", file.source), ("target.", file.target))
        for key in ("values", "colours")
    }
    return [
        f"{where}.{name} is no class{yaml_file.suggestion(name, file.classes)}; classes: {', '.join(file.classes)}"
        for where, mapping in mappings.items()
        for name in mapping or ()
        if name not in file.classes
    ]


def read(path: Path) -> PairFile:
    """Read a pair's file.

    Raises:
        UserError: lists everything that is wrong in it.
    """
    content = yaml_file.read_mapping(path, PairFile.model_fields, TEXTS)
    try:
        return PairFile.model_validate(content)
    except ValidationError as refused:
        models: dict[Any, type[BaseModel]] = {"source": DomainFolder, "target": TargetFolder}
        problems = [
            yaml_file.explain(error, list(models.get((*error["loc"], "")[0], PairFile).model_fields
                                       if len(error["loc"]) > 1 else PairFile.model_fields))
            for error in refused.errors()
        ]  # fmt: skip
        raise UserError("\n  ".join([f"{path} cannot be used:", *problems])) from refused


def opening(path: Path) -> str:
    """The file's first comment line, which says what the pair is."""
    lines = path.read_text(encoding="utf-8").splitlines()
    first = next((line.lstrip("# ").strip() for line in lines if line.startswith("#")), "")
    return first or f"The pair that {path.name} states."


def benchmark(name: str, file: PairFile) -> Benchmark:
    """The definition of a pair's benchmark."""
    default: Headline = "miou" if file.task == "segmentation" else "mean_class_accuracy"
    return Benchmark(
        name=name,
        task=file.task,
        classes=tuple(file.classes),
        source=file.source.name or file.source.folder,
        target=file.target.name or file.target.path,
        image_size=file.image_size,
        headline=file.headline or default,
        label_budget=file.labels or 0,
        label_budget_source=_label_budget_source(file),
        labels_given=file.target.labelled is not None,
        standardisation=file.standardisation,
        augmentation=DEFAULT_AUGMENTATION[file.task] if file.augmentation is None else file.augmentation,
        splits_stated=_splits_stated(file),
        ignore_index=IGNORED,
        epoch_length=file.epoch_length,
    )


def _label_budget_source(file: PairFile) -> str:
    if file.target.labelled:
        return f"the user's: {file.target.labelled}"
    return f"the user's: {file.labels} images" if file.labels else "no labelled subset"


def _splits_stated(file: PairFile) -> str:
    each = " of each class" if file.task == "classification" else ""
    source = f"source validation = {100 * file.validation_share:g} %{each} of the source, drawn by seed 0"
    if file.target.test:
        return f"{source}; target test = {file.target.test}, target train = {file.target.path}"
    is_unlabelled = not file.target.folder or (file.labels is None and not file.target.labelled)
    if is_unlabelled:  # a labelled target without a word on labels is refused
        return f"{source}; target train = {file.target.path}, without labels; no target test"
    if_any = "" if file.labels else ", if it has labels"
    share = f"target test = {100 * file.test_share:g} %{each} of the target{if_any}, drawn by seed 0"
    return f"{source}; {share}; target train = the rest"
