"""A network that predicts new images just as its run predicted those of the target."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from dta_bench.data import augment
from dta_bench.data.standardise import adapt_channels
from dta_bench.domains.image_files import read_image
from dta_bench.domains.images import Image
from dta_bench.errors import UserError
from dta_bench.evaluation import evaluator
from dta_bench.evaluation.evaluator import Evaluator
from dta_bench.evaluation.label_map_predictions import LabelMap
from dta_bench.nn.network import Normalisation
from dta_bench.run.network_file import LoadedNetwork

if TYPE_CHECKING:
    import pandas as pd

Views = Literal["none", "flip"]
"""Views of an image over which its prediction is averaged: itself, or also its mirror image."""
Size = tuple[int, int]


class Predictor:
    """Predicts images by a run's network.

    Args:
        loaded: the network and its card.
        views: over which views of an image its probabilities are averaged.

    Attributes:
        card: what the network is, and what it was trained on.
        batch_size: images that are computed at once.
    """

    def __init__(self, loaded: LoadedNetwork, views: Views = "none") -> None:
        self.card, training = loaded.card, loaded.card.run_spec.training
        self.batch_size = 2 * training.piece
        device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        network: Any = loaded.predicts if views == "none" else MirrorAveraged(loaded.predicts)
        benchmark = self.card.benchmark
        self._evaluator = Evaluator(
            network.to(device).eval(), benchmark, self.card.channels, self.batch_size, device, training.window
        )
        self._shrink = augment.shrink_for(benchmark.augmentation, "target", benchmark.image_size)

    @property
    def classes(self) -> tuple[str, ...]:
        """The names of the classes."""
        return self.card.benchmark.classes

    @property
    def predicts_maps(self) -> bool:
        """Whether it predicts a class for each pixel instead of one for each image."""
        return self.card.benchmark.task == "segmentation"

    def read(self, path: Path) -> tuple[Image, Size]:
        """Read an image file as the run read those of the target, and make it as small as the network takes it.

        Returns:
            The image at the network's size, and its own (height, width).

        Raises:
            UserError: it cannot be read.
        """
        image = read_image(path, self.card.bits)
        return self.resize(image), (image.shape[0], image.shape[1])

    def resize(self, image: Image) -> Image:
        """An image (height, width, channels) at the network's size, as the run resized it."""
        shrunk = image if self._shrink is None else self._shrink(image)
        resized = augment.resize(adapt_channels(np.asarray(shrunk, np.uint8), self.card.channels), self._size)
        return np.asarray(resized, np.uint8)

    def probabilities(self, images: Sequence[Image]) -> NDArray[np.float32]:
        """The probability of each class, (n, K), of images at the network's size."""
        batches = self._evaluator.batches(images)
        logits = evaluator.predict(self._evaluator.network, batches, self._evaluator.device)
        return torch.from_numpy(logits).softmax(1).numpy()

    def label_maps(self, images: Sequence[Image], sizes: Sequence[Size]) -> Iterator[LabelMap]:
        """The predicted label map of each image, each at its own (height, width), of images at the network's size."""
        return self._evaluator.predict_label_maps(images, sizes)

    def predict(self, images: str | Path | Sequence[str | Path], probabilities: bool = False) -> pd.DataFrame:
        """Predict images of one class each.

        Args:
            images: folders, lists of paths, and image files, as ``dta-bench predict`` takes them.
            probabilities: whether each class has a column.

        Returns:
            A row an image, sorted by ``path``: ``path``, ``class``, ``probability``, and ``p_<class>`` if asked for.
            Files that cannot be read have no row; a warning counts them, and ``attrs["unreadable"]`` says why.
        """
        from dta_bench.report.predictions.images_to_predict import find_images

        given = [images] if isinstance(images, str | Path) else images
        found = find_images([str(one) for one in given])
        frame = self._frame([one.name for one in found], [one.path for one in found])
        unreadable = {path: why for path, why in zip(frame["path"], frame.pop("unreadable"), strict=True) if why}
        if unreadable:
            warnings.warn(f"{len(unreadable)} of {len(frame)} images cannot be read and have no row", stacklevel=2)
        columns = ["path", "class", "probability", *(f"p_{name}" for name in self.classes if probabilities)]
        kept = frame.loc[~frame["path"].isin(list(unreadable)), columns].reset_index(drop=True)
        kept.attrs["unreadable"] = unreadable
        return kept

    def predict_each(self, paths: Sequence[str]) -> pd.DataFrame:
        """A row for each path, in the given order; of a file that cannot be read class and probability are empty."""
        return self._frame(list(paths), [Path(path) for path in paths])[["path", "class", "probability"]]

    def _frame(self, names: Sequence[str], paths: Sequence[Path]) -> pd.DataFrame:
        """A row a path, with the probabilities of all classes, and why a file could not be read (empty if it could)."""
        import pandas as pd

        if self.predicts_maps:
            raise UserError("the network predicts label maps, which are no rows; use label_maps, or dta-bench predict")
        frames = []
        for start in range(0, len(paths), self.batch_size):
            read = [self._try_to_read(path) for path in paths[start : start + self.batch_size]]
            images = [one for one in read if not isinstance(one, str)]
            found = np.full((len(read), len(self.classes)), np.nan, dtype=np.float32)
            good = [not isinstance(one, str) for one in read]
            if images:
                found[good] = self.probabilities(images)
            best = [self.classes[row.argmax()] if is_good else None for row, is_good in zip(found, good, strict=True)]
            frame = pd.DataFrame({"path": names[start : start + len(read)], "class": best, "probability": found.max(1)})
            of_classes = pd.DataFrame(found, columns=[f"p_{name}" for name in self.classes])
            why = pd.Series([one if isinstance(one, str) else "" for one in read], name="unreadable")
            frames.append(pd.concat([frame, of_classes, why], axis=1))
        return pd.concat(frames, ignore_index=True)

    def _try_to_read(self, path: Path) -> Image | str:
        try:
            return self.read(path)[0]
        except UserError as error:
            return str(error)

    def network_input(self, images: Sequence[Image]) -> Iterator[Tensor]:
        """Batches (B, C, H, W) of what the network computes, of images at its size."""
        return self._evaluator.batches(images)

    @property
    def _size(self) -> Size:
        """To which an image is resized; the network may take its middle."""
        return augment.evaluation_size(self.card.benchmark.augmentation, self.card.benchmark.image_size)


class MirrorAveraged(nn.Module):
    """A network whose probabilities are the mean over an image and its mirror image; it gives their logarithm."""

    def __init__(self, network: Any) -> None:
        super().__init__()
        self.network = network

    @property
    def normalisation(self) -> Normalisation:
        """What the network's images are standardised with."""
        normalisation: Normalisation = self.network.normalisation
        return normalisation

    def forward(self, images: Tensor) -> Tensor:
        """Log-probabilities (B, K) or (B, K, H, W) of images (B, C, H, W)."""
        mirrored = self.network(images.flip(3)).float().softmax(1)
        if mirrored.ndim == 4:
            mirrored = mirrored.flip(3)
        mean: Tensor = (self.network(images).float().softmax(1) + mirrored) / 2
        return mean.clamp_min(torch.finfo(torch.float32).tiny).log()
