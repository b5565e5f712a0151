"""The cluster files that are shipped, as they are or filled in."""

import re
from pathlib import Path
from typing import Any

import yaml

CHECKOUT = Path(__file__).parents[2]
SHIPPED = {name: CHECKOUT / name for name in ("cluster.yaml", "cluster/gcp.yaml", "cluster/machines.yaml")}


def loaded(name: str, fill_in: bool = True) -> dict[str, Any]:
    """A shipped file, with something at each place that waits to be filled in."""
    text = SHIPPED[name].read_text()
    filled = re.sub(r"FILL_IN_\w+", lambda found: f"x{found.start()}", text) if fill_in else text
    file: dict[str, Any] = yaml.safe_load(filled)
    return file
