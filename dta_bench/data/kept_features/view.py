"""What is made of an image before the frozen network sees it: the view of evaluation, or a stored augmented one."""

from __future__ import annotations

from dataclasses import dataclass

from dta_bench.data import augment
from dta_bench.data.augment import ViewKey
from dta_bench.data.input_maker import InputMaker, SecondView
from dta_bench.domains.images import Image
from dta_bench.nn.network import Normalisation
from dta_bench.spec.benchmark import Benchmark

STORED = 22_000_000
"""Takes the place of the seed in the key of a stored view, so that its draws differ from those of any training."""


@dataclass(frozen=True)
class View:
    """One view of the images of a domain.

    Attributes:
        benchmark: at the image size and augmentation of the training.
        domain: ``source`` or ``target``.
        number: of the stored augmented view, from 1; 0 is the view of evaluation, without augmentation.
        second: ``strong`` adds the benchmark's strong view.
    """

    benchmark: Benchmark
    domain: str
    channels: int
    normalisation: Normalisation
    number: int = 0
    second: SecondView | None = None

    def describe(self) -> str:
        """All that decides the view, in words: views with the same description are the same."""
        of = self.benchmark
        shrunk = augment.shrink_for(of.augmentation, self.domain, of.image_size)
        words = [f"{of.image_size} {of.standardisation} {self.channels} {self.normalisation} {shrunk}"]
        if not self.number:
            return f"plain {augment.evaluation_size(of.augmentation, of.image_size)} {words[0]}"
        names = augment.names_for(of.augmentation, self.domain)
        strong = of.strong_view if self.second == "strong" else ()
        return f"view {self.number} {names} {strong} {of.crop} {words[0]}"

    def maker(self) -> InputMaker:
        """What makes network input."""
        return InputMaker(self.benchmark, self.domain, self.channels, self.normalisation, self.second)

    def of(self, maker: InputMaker, image: Image, digest: bytes) -> augment.Pixels:
        """The view of an image (height, width, channels), for the maker to write; the digest decides its draws."""
        return maker.view(image, self._key(digest))[0] if self.number else maker.plain(image)

    def _key(self, digest: bytes) -> ViewKey:
        strong = int(self.second == "strong")
        return STORED, self.number, strong, *(int.from_bytes(digest[i : i + 4], "little") for i in range(0, 16, 4))
