"""Small suites of drawn images: animals in three domains, and streets in three renderings with masks."""

from pathlib import Path

import cv2
import fake_datasets
import numpy as np
import yaml

from dta_bench.benchmarks import _street_scenes, _streets

FOUR_LINES = {"domains": ["photo", "ink", "clay"], "classes": ["cat", "dog"], "image_size": 24}
EVERYWHERE = {"photo": ["cat", "dog"], "ink": ["cat", "dog"], "clay": ["cat", "dog"]}


def write_domains(root: Path, domains: dict[str, list[str]] = EVERYWHERE, count: int = 10) -> None:
    """root/<domain>/<class>/<i>.png, noise that is brighter for the second class."""
    for domain, classes in domains.items():
        for label, name in enumerate(classes):
            for i in range(count):
                noise = np.random.default_rng([*f"{domain}/{name}/{i}".encode()])
                pixels = noise.integers(80 * label, 120 + 80 * label, (20, 30, 3))
                fake_datasets.save(root / domain / name / f"{i}.png", pixels.astype(np.uint8))


def write_suite(folder: Path, name: str = "zoo", **changes: object) -> Path:
    """A file suites/<name>.yaml; a change to None leaves a key out."""
    path = folder / f"suites/{name}.yaml"
    path.parent.mkdir(exist_ok=True)
    content = {key: value for key, value in (FOUR_LINES | changes).items() if value is not None}
    path.write_text("# Drawn animals.\n" + yaml.safe_dump(content))
    return path


STREETS = {"task": "segmentation", "domains": ["flat", "textured", "ink"], "image_size": [32, 64]}


def write_streets(root: Path, count: int = 10, size: tuple[int, int] = (48, 96)) -> None:
    """root/<domain>/{images,masks}/<i>.png: streets in three renderings, each domain its own; masks hold indices."""
    for number, domain in enumerate(("flat", "textured", "ink")):
        for i in range(count):
            rng = np.random.default_rng((3, number, i))
            image, labels = _streets._draw_street(rng, "textured" if domain == "textured" else "flat")
            if domain == "ink":
                image = np.repeat(255 - cv2.Canny(image, 40, 120)[..., None], 3, axis=2)
            shape = size[::-1]
            fake_datasets.save(
                root / domain / f"images/{i}.png", cv2.resize(image, shape, interpolation=cv2.INTER_AREA)
            )
            masks = cv2.resize(labels, shape, interpolation=cv2.INTER_NEAREST)
            fake_datasets.save(root / domain / f"masks/{i}.png", masks)


def write_street_suite(folder: Path, **changes: object) -> Path:
    """A file suites/towns.yaml of the domains of :func:`write_streets`."""
    return write_suite(folder, "towns", **STREETS, classes=list(_street_scenes.CLASSES), **changes)
