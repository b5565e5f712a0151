"""A small suite of drawn images: three domains of two classes, and the file of four lines that states it."""

from pathlib import Path

import fake_datasets
import numpy as np
import yaml

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
