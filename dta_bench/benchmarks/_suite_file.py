"""Read a suite from YAML: domains of one class list, and which ordered pairs of them are benchmarks."""

from __future__ import annotations

import re
from fnmatch import fnmatchcase
from itertools import permutations
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from dta_bench.benchmarks import _suite_arrays
from dta_bench.benchmarks._pair_file import (
    DEFAULT_AUGMENTATION,
    IGNORED,
    TEXTS,
    Byte,
    Classes,
    DomainFolder,
    PairFile,
    SideLength,
    _as_square,
    _as_tuple,
)
from dta_bench.errors import UserError
from dta_bench.plugins import TO
from dta_bench.spec import yaml_file
from dta_bench.spec.benchmark import Benchmark
from dta_bench.spec.run_spec import Headline, Task

OTHERS = "others"
"""The source of a pair whose source is all other domains."""
ARROW = "->"
KEYWORDS = {"all": f"*{ARROW}*", "multi_source": f"{OTHERS}{ARROW}*"}
LABELS_PER_CLASS, MOST_OF_TARGET = 10, 0.25
"""The labelled subset where a suite does not say: so many images a class, at most this share of target train."""


class SuitePair(NamedTuple):
    """An ordered pair of a suite's domains; the source :data:`OTHERS` stands for all domains but the target."""

    source: str
    target: str

    @property
    def key(self) -> str:
        """The pair as tables name it, ``photo -> sketch``."""
        return f"{self.source} {ARROW} {self.target}"

    def benchmark(self, suite: str) -> str:
        """The name of its benchmark."""
        return f"{suite}.{self.source}{TO}{self.target}"


class SuiteDomain(DomainFolder):
    """One domain of a suite: a folder like that of a pair's domain, or a set of digits that a reader here gives.

    Attributes:
        folder: as of a pair's domain; empty where ``reader`` gives the images.
        test_list: the list of its test images, with the protocol ``lists``, where ``list`` has its training images.
        reader: a set that is no folder of images: a name in :data:`dta_bench.benchmarks._suite_arrays.READERS`.
    """

    folder: str = ""
    test_list: str | None = None
    reader: str | None = None

    @model_validator(mode="after")
    def _says_where(self) -> SuiteDomain:
        if bool(self.folder) == bool(self.reader):
            raise ValueError("allowed: a folder, or a reader instead of it")
        if self.reader and self.reader not in _suite_arrays.READERS:
            raise ValueError(f"reader is {self.reader!r}; allowed: {', '.join(_suite_arrays.READERS)}")
        return self


def _as_domains(given: Any) -> Any:
    """Name → domain, from a list of folders or a mapping."""
    if isinstance(given, list) and all(isinstance(name, str) for name in given):
        given = {name: name for name in given}
    if not isinstance(given, dict):
        raise ValueError("allowed: a list of folders, or a mapping from names to folders")
    return {name: {"folder": one} if isinstance(one, str) else one for name, one in given.items()}


def _checked_names(domains: dict[str, SuiteDomain]) -> dict[str, SuiteDomain]:
    if len(domains) < 2:
        raise ValueError("allowed: two domains or more")
    wrong = [name for name in domains if not re.fullmatch(r"\w+", name) or name in (OTHERS, *KEYWORDS)]
    if wrong:
        raise ValueError(
            f"{', '.join(wrong)} cannot be a domain's name; allowed: letters, digits and _, but not {OTHERS}, "
            f"{' or '.join(KEYWORDS)}; say NAME: FOLDER where a folder is called otherwise"
        )
    return domains


def _as_patterns(given: Any) -> Any:
    listed = [given] if isinstance(given, str) else given
    if not isinstance(listed, list) or not all(isinstance(one, str) for one in listed):
        raise ValueError(f"allowed: {', '.join(KEYWORDS)}, or a list of them and of pairs like [photo {ARROW} sketch]")
    return tuple(listed)


class SuiteFile(BaseModel):
    """The content of a file ``suites/<name>.yaml``; keys that a pair's file has too mean the same.

    Attributes:
        domains: name → the domain; a list of folders names them by their folders. The folders lie in the folder of the
            suite's name under the data root or, where that is not there, under the data root itself.
        pairs: which ordered pairs are benchmarks: ``all``, ``multi_source`` (all other domains, joined, to each), or
            pairs like ``photo -> sketch``, in which ``*`` stands for any domain.
        protocol: which images are trained and measured on. ``drawn``: ``test_share`` of each domain, drawn once by seed
            0, is its test part; as a source it gives its other part alone. ``lists``: lists state both parts.
            ``transductive``: target train and target test are all images of the target.
        labels: size of each pair's labelled subset; None: 10 a class, at most a quarter of target train.
        epoch_length: the domain that an epoch goes through once, or the number of steps of an epoch. With ``source`` or
            a number a run that trains on the source alone is the same for all targets.
        search_space: the search space that is swept; None: the default of the task.
        published: domain → how many images its owners count, in all or by class; ``prepare`` compares.
        published_by: who counts them.
        by_hand: how to get the data; ``{root}`` stands for the folder that the domains' folders belong into.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    task: Task = "classification"
    domains: Annotated[dict[str, SuiteDomain], AfterValidator(_checked_names), BeforeValidator(_as_domains)]
    classes: Classes
    leave_out: tuple[str, ...] = ()
    pairs: Annotated[tuple[str, ...], BeforeValidator(_as_patterns)] = ("all",)
    image_size: Annotated[tuple[SideLength, SideLength], BeforeValidator(_as_square)]
    protocol: Literal["drawn", "lists", "transductive"] = "drawn"
    test_share: float = Field(default=0.3, gt=0, lt=1)
    validation_share: float = Field(default=0.1, gt=0, lt=1)
    labels: int | None = Field(default=None, ge=0)
    headline: Headline | None = None
    standardisation: Literal["per_sample", "imagenet"] = "imagenet"
    augmentation: tuple[str, ...] | None = None
    epoch_length: Literal["source", "target", "larger"] | Annotated[int, Field(gt=0)] = "source"
    search_space: str | None = None
    image_suffix: str = ""
    mask_suffix: str = ""
    values: dict[str, Annotated[tuple[Byte, ...], BeforeValidator(_as_tuple)]] | None = None
    colours: dict[str, tuple[Byte, Byte, Byte]] | None = None
    published: dict[str, int | dict[str, int]] = Field(default_factory=dict)
    published_by: str = ""
    by_hand: str = ""

    @model_validator(mode="after")
    def _is_consistent(self) -> SuiteFile:
        problems = [*self._problems_of_lists(), *self._problems_of_pairs(), *self._problems_of_counts()]
        if (self.headline == "miou") != (self.task == "segmentation") and self.headline is not None:
            problems.append(f"headline is {self.headline!r}, which {self.task} does not have")
        if not problems:
            self.reading  # noqa: B018 - what a pair's file refuses is refused here too
        if problems:
            raise ValueError("; ".join(problems))
        return self

    @property
    def reading(self) -> PairFile:
        """How the images and labels of any domain are read, as a pair's file states it."""
        anywhere = {"folder": "any"}
        return PairFile.model_validate(
            {
                "source": anywhere, "target": anywhere, "task": self.task,
                "classes": {name: list(others) for name, others in self.classes.items()},
                "leave_out": self.leave_out, "image_size": self.image_size, "values": self.values,
                "colours": self.colours, "image_suffix": self.image_suffix, "mask_suffix": self.mask_suffix,
            }
        )  # fmt: skip

    def all_pairs(self) -> list[SuitePair]:
        """The pairs that the file states, in the order of its domains."""
        patterns = [KEYWORDS.get(one, one) for one in self.pairs]
        return matching(patterns, self.possible_pairs())

    def possible_pairs(self) -> list[SuitePair]:
        """Every ordered pair of the domains, then all others to each domain."""
        several = [SuitePair(OTHERS, target) for target in self.domains] if len(self.domains) > 2 else []
        return [SuitePair(*pair) for pair in permutations(self.domains, 2)] + several

    def sources_of(self, pair: SuitePair) -> list[str]:
        """The domains that a pair's source images come from."""
        return [name for name in self.domains if name != pair.target] if pair.source == OTHERS else [pair.source]

    def labels_of(self, target: str, images: int | None) -> int:
        """The size of the labelled subset of a pair.

        Args:
            target: the pair's target.
            images: all images of the target; None: as many as its owners count, if the file says it.
        """
        if self.labels is not None:
            return self.labels
        wanted = LABELS_PER_CLASS * len(self.classes)
        count = self.count_of(target)
        if count is None:
            count = images
        if count is None:
            return wanted
        in_training = count if self.protocol == "transductive" else count * (1 - self.test_share)
        return max(1, min(wanted, int(MOST_OF_TARGET * in_training)))

    def count_of(self, domain: str) -> int | None:
        """How many images the owners of a domain count; None where the file does not say it."""
        count = self.published.get(domain)
        return sum(count.values()) if isinstance(count, dict) else count

    def _problems_of_lists(self) -> list[str]:
        folders = {name: one for name, one in self.domains.items() if not one.reader}
        if self.protocol == "lists":
            wanting = [name for name, one in folders.items() if not (one.list and one.test_list)]
            return [f"protocol is lists, but {', '.join(wanting)} lacks list or test_list"] if wanting else []
        without_use = [name for name, one in folders.items() if one.test_list]
        return [f"test_list of {', '.join(without_use)} has a use only with protocol: lists"] if without_use else []

    def _problems_of_pairs(self) -> list[str]:
        possible = self.possible_pairs()
        return [
            f"pairs names {pattern!r}, which is no pair of {', '.join(self.domains)}"
            for pattern in self.pairs
            if not matching([KEYWORDS.get(pattern, pattern)], possible)
        ]

    def _problems_of_counts(self) -> list[str]:
        unknown = [name for name in self.published if name not in self.domains]
        of_class = {name for count in self.published.values() if isinstance(count, dict) for name in count}
        return [f"published names {name}, which is no domain" for name in unknown] + [
            f"published names {name}, which is no class" for name in sorted(of_class - set(self.classes))
        ]


def matching(patterns: list[str], pairs: list[SuitePair]) -> list[SuitePair]:
    """The pairs that one of some patterns like ``photo->*`` names; ``*`` stands for one domain and never for others."""
    wanted = [tuple(part.strip() for part in one.split(ARROW)) for one in patterns]
    return [pair for pair in pairs if any(_matches(pair, one) for one in wanted)]


def _matches(pair: SuitePair, pattern: tuple[str, ...]) -> bool:
    if len(pattern) != 2:
        return False
    named_others = pattern[0] == OTHERS
    if (pair.source == OTHERS) != named_others:
        return False
    return fnmatchcase(pair.source, pattern[0]) and fnmatchcase(pair.target, pattern[1])


def read(path: Path) -> SuiteFile:
    """Read a suite's file.

    Raises:
        UserError: lists everything that is wrong in it.
    """
    texts = TEXTS | dict.fromkeys(("domains", "test_list", "reader", "published"), False) | {"pairs": False}
    content = yaml_file.read_mapping(path, SuiteFile.model_fields, texts)
    try:
        return SuiteFile.model_validate(content)
    except ValidationError as refused:
        problems = [
            yaml_file.explain(error, list(_model_at(error["loc"]).model_fields)) for error in refused.errors()
        ]  # fmt: skip
        raise UserError("\n  ".join([f"{path} cannot be used:", *problems])) from refused


def _model_at(where: tuple[Any, ...]) -> type[BaseModel]:
    return SuiteDomain if len(where) > 2 and where[0] == "domains" else SuiteFile


def benchmark(suite: str, file: SuiteFile, pair: SuitePair) -> Benchmark:
    """The definition of the benchmark that a pair of a suite is."""
    default: Headline = "miou" if file.task == "segmentation" else "accuracy"
    is_stated = file.labels is not None
    budget = file.labels_of(pair.target, None)
    return Benchmark(
        name=pair.benchmark(suite),
        task=file.task,
        classes=tuple(file.classes),
        source=" + ".join(file.domains[name].name or name for name in file.sources_of(pair)),
        target=file.domains[pair.target].name or pair.target,
        image_size=file.image_size,
        headline=file.headline or default,
        label_budget=budget,
        label_budget_source=f"the suite's: {budget} images" if is_stated
        else f"the default of suites: {LABELS_PER_CLASS} a class, at most a quarter of target train",
        standardisation=file.standardisation,
        augmentation=DEFAULT_AUGMENTATION[file.task] if file.augmentation is None else file.augmentation,
        splits_stated=_splits_stated(file),
        ignore_index=IGNORED,
        epoch_length="source" if isinstance(file.epoch_length, int) else file.epoch_length,
    )  # fmt: skip


def _splits_stated(file: SuiteFile) -> str:
    each = " of each class" if file.task == "classification" else ""
    validation = f"source validation = {100 * file.validation_share:g} %{each} of it, drawn by seed 0"
    if file.protocol == "transductive":
        return f"transductive: target train = target test = all images of the target; source = all of it; {validation}"
    if file.protocol == "lists":
        return f"each domain's train and test parts as its lists state them; source = its train part; {validation}"
    share = f"test part of each domain = {100 * file.test_share:g} %{each}, drawn once by seed 0"
    return f"{share}; source = its other part alone; {validation}"
