"""A run on kept features: its sets as features, its batches, and its network with and without the frozen part."""

from __future__ import annotations

import dataclasses
import hashlib
import importlib.metadata
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any
from weakref import WeakValueDictionary

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from dta_bench.data.batches import evaluation_batches
from dta_bench.data.input_maker import SecondView
from dta_bench.data.kept_features.batches import FeatureBatches, ViewsOf
from dta_bench.data.kept_features.compute import Frozen, complete
from dta_bench.data.kept_features.image_keys import digests
from dta_bench.data.kept_features.rows import FeatureRows, as_input
from dta_bench.data.kept_features.store import FeatureStore, open_store
from dta_bench.data.kept_features.view import View
from dta_bench.domains.images import Image, LabelledImages, Splits, UnlabelledImages
from dta_bench.errors import UserError
from dta_bench.evaluation.evaluator import Evaluator
from dta_bench.nn.batch_norm import layers_of, restated_copy
from dta_bench.nn.network import Network
from dta_bench.nn.pretrained import BackbonePlugin
from dta_bench.nn.tuning import take_body_out
from dta_bench.run.placement import Placement
from dta_bench.run.resolve import Resolved
from dta_bench.spec.benchmark import Benchmark

LIBRARIES = ("torch", "timm", "opencv-python-headless", "albumentations")
"""Another version of these may compute other features."""


@dataclass(frozen=True)
class OnFeatures:
    """What a run has in place of images.

    Attributes:
        keeper: keeps the features of the run's frozen part, which its network no longer has.
        source: views of source train.
        target: views of target train.
        second: views that a target image's second view is drawn from.
    """

    keeper: Keeper
    source: ViewsOf
    target: ViewsOf
    second: ViewsOf | None

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of one image's features."""
        return self.source.views[0].shape

    def batches(self, steps: int, odds: NDArray[np.float64] | None) -> FeatureBatches:
        """The batches of the run's training."""
        spec, labels = self.keeper.spec, np.asarray(self.keeper.splits.source_train.labels, dtype=np.int64)
        return FeatureBatches(
            self.source, labels, self.target, self.second, steps=steps, batch_size=spec.training.batch_size,
            seed=spec.seed, source_odds=odds,
        )  # fmt: skip

    def measured_sets(self, restates: bool) -> Splits:
        """The five sets with features in place of images, without augmentation.

        Args:
            restates: whether BatchNorm's statistics are estimated on target train before each measurement: the
                features are then those of a frozen part with these statistics.
        """
        return self.keeper.measured_sets(restates)

    def note(self) -> str:
        """What was kept and how exact it is, in one sentence."""
        return self.keeper.note(self.shape)


def keep_features(resolved: Resolved, network: Network, benchmark: Benchmark, placement: Placement) -> OnFeatures:
    """Compute the features of a run that are not kept yet, and take the frozen part out of its network.

    Args:
        resolved: the run.
        network: of the run; its body becomes a stand-in that takes features.
        benchmark: at the image size and augmentation of the run's training.

    Raises:
        UserError: an image cannot be read, label maps, or too few views for the method.
    """
    if benchmark.task != "classification":
        raise UserError("features are kept for images of one class each; with label maps use --training views=fresh")
    spec, splits, second_view = resolved.spec, resolved.splits, resolved.method.second_view
    keeper = Keeper(resolved, network, benchmark, placement)
    views, strong = int(spec.training.views), None
    if second_view is not None and views < 2:
        raise UserError(
            f"{spec.method} takes a second view of each target image, and views is {views}; use --training views=2 or "
            "more, or views=fresh"
        )
    numbers = range(1, views + 1) if views else (0,)
    source = ViewsOf([keeper.rows(splits.source_train, "source train", "source", number) for number in numbers])
    target = ViewsOf([keeper.rows(splits.target_train, "target train", "target", number) for number in numbers])
    if second_view == "strong":
        strong = ViewsOf([
            keeper.rows(splits.target_train, "target train", "target", number, "strong") for number in numbers
        ])  # fmt: skip
    second = {"strong": strong, "again": target, None: None}[second_view]
    return OnFeatures(keeper, source, target, second)


class _Part:
    """A frozen part and its store, shared by all runs of this process that have it."""

    def __init__(self, body: nn.Module, store: FeatureStore) -> None:
        self.body, self.store = body, store
        # by a set's id in memory, with the set: it lives as long as its entry, so that no other gets its id
        self.digests: dict[int, tuple[Any, list[bytes]]] = {}
        self.rows: dict[tuple[int, int, str], tuple[Any, FeatureStore, FeatureRows]] = {}


_parts: WeakValueDictionary[str, _Part] = WeakValueDictionary()
_restated: dict[str, nn.Module] = {}
"""The frozen part of the last run that measured by statistics of target train: its other seeds measure by the same."""


class Keeper:
    """Keeps the features of one run's frozen part, which it takes out of the run's network."""

    def __init__(self, resolved: Resolved, network: Network, benchmark: Benchmark, placement: Placement) -> None:
        spec, backbone = resolved.spec, resolved.backbone
        self.spec, self.splits, self._benchmark = spec, resolved.splits, benchmark
        self._placement, self._channels, self._normalisation = placement, backbone.channels, network.normalisation
        body = take_body_out(network)
        self._fingerprint = "\n".join([
            _about_network(backbone, body), spec.training.kept, placement.device.type, _versions(),
        ])  # fmt: skip
        self._part = _parts.get(self._fingerprint) or _Part(body, open_store(self._fingerprint))
        _parts[self._fingerprint] = self._part
        self._body, self._store = self._part.body, self._part.store
        self.measuring_body: Callable[[], nn.Module] = lambda: self._body
        """Gives the frozen part that predictions are made with."""

    def rows(
        self, images: LabelledImages | UnlabelledImages, name: str, domain: str, number: int = 0,
        second: SecondView | None = None,
    ) -> FeatureRows:  # fmt: skip
        """The features of a set in one view."""
        view = View(self._benchmark, domain, self._channels, self._normalisation, number, second)
        return self._rows(self._store, lambda: self._body, images, name, view)

    def _rows(
        self, store: FeatureStore, body: Callable[[], nn.Module], images: LabelledImages | UnlabelledImages, name: str,
        view: View,
    ) -> FeatureRows:  # fmt: skip
        key = (id(store), id(images), view.describe())
        known = self._part.rows.get(key)
        if known is None:
            frozen = Frozen(body, self._placement.device, self.spec.training.kept, self._placement.workers)
            keys = complete(store, frozen, view, images.images, self._digests_of(images), name)
            known = self._part.rows[key] = (images, store, FeatureRows(store, keys))
        return known[2]

    def _digests_of(self, images: LabelledImages | UnlabelledImages) -> list[bytes]:
        if id(images) not in self._part.digests:
            found = digests(images.images, images.ids, self.splits.fingerprint)
            self._part.digests[id(images)] = (images, found)
        return self._part.digests[id(images)][1]

    @property
    def has_statistics(self) -> bool:
        """Whether the frozen part has BatchNorm's statistics."""
        return bool(layers_of(self._body))

    def measured_sets(self, restates: bool) -> Splits:
        """As :meth:`OnFeatures.measured_sets`."""
        store, self.measuring_body = self._store, lambda: self._body
        if restates and self.has_statistics:
            store, self.measuring_body = self._restated()

        def as_rows(images: Any, name: str, domain: str) -> Any:
            view = View(self._benchmark, domain, self._channels, self._normalisation)
            rows = None if images is None else self._rows(store, self.measuring_body, images, name, view)
            return None if images is None else dataclasses.replace(images, images=rows)

        splits = self.splits
        return dataclasses.replace(
            splits,
            source_train=as_rows(splits.source_train, "source train", "source"),
            source_validation=as_rows(splits.source_validation, "source validation", "source"),
            target_train=as_rows(splits.target_train, "target train", "target"),
            target_validation=as_rows(splits.target_validation, "the labelled subset", "target"),
            target_test=as_rows(splits.target_test, "target test", "target"),
        )

    def _restated(self) -> tuple[FeatureStore, Callable[[], nn.Module]]:
        """The store of the frozen part with statistics of target train, and what gives that part."""
        size = 2 * self.spec.training.piece
        view = View(self._benchmark, "target", self._channels, self._normalisation).describe()
        target = self.splits.target_train
        of_target = hashlib.sha256(b"".join(self._digests_of(target))).hexdigest()
        key = f"{self._fingerprint}\nrestated {of_target} {size} {view}"

        def body() -> nn.Module:
            if key not in _restated:
                images = evaluation_batches(
                    target.images, self._benchmark, self._channels, size, self._normalisation,
                    self._placement.workers,
                )  # fmt: skip
                _restated.clear()
                _restated[key] = restated_copy(self._body, (one.to(self._placement.device) for one in images))
            return _restated[key]

        return open_store(key), body

    def note(self, shape: tuple[int, ...]) -> str:
        """What was kept, in one sentence."""
        training = self.spec.training
        seen = f"{training.views} augmented views an image" if training.views else "no augmentation"
        exact = f", largest relative error {self._store.error:.1e}" if training.kept == "float16" else ""
        return f"{' x '.join(map(str, shape))} numbers an image, {seen}, kept in {training.kept}{exact}"


def _about_network(backbone: BackbonePlugin, body: nn.Module) -> str:
    """All that decides what a frozen part computes: its code as far as it has a file, its structure, its weights."""
    digest = hashlib.sha256(f"{backbone.name} {body}".encode())
    if backbone.file is not None:
        digest.update(backbone.file.read_bytes())
    for name, tensor in body.state_dict().items():
        digest.update(f"{name} {tuple(tensor.shape)} {tensor.dtype}".encode())
        digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def _versions() -> str:
    found = []
    for name in LIBRARIES:
        try:
            found.append(f"{name} {importlib.metadata.version(name)}")
        except importlib.metadata.PackageNotFoundError:
            continue
    return ", ".join(found)


class FeatureEvaluator(Evaluator):
    """Evaluates what lies above the frozen part on sets of features."""

    def batches(self, images: Sequence[Image]) -> Iterator[Tensor]:
        """Batches of features, in order."""
        for first in range(0, len(images), self.batch_size):
            yield as_input(images, range(first, min(first + self.batch_size, len(images))))
