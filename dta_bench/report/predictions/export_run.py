"""What ``dta-bench export`` does: find run and images, write the network, check it, and write its card."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from dta_bench.data import load
from dta_bench.domains.images import Image
from dta_bench.errors import UserError
from dta_bench.report.document.frozen_record import FrozenRecord
from dta_bench.report.predictions.command import named_network
from dta_bench.report.predictions.exporting import FORMATS, SUFFIX, Exported, Format, export
from dta_bench.report.predictions.images_to_predict import find_images
from dta_bench.report.predictions.model_card import how_chosen, model_card, scores_of
from dta_bench.report.predictions.predictor import Predictor
from dta_bench.run.network_file import LoadedNetwork
from dta_bench.run.workspace import Workspace

CHECKED = 8
"""So many images are held to the original."""


class ExportedNetwork(FrozenRecord):
    """A network that was written: where, with which card, and how well it agrees with the original."""

    run_id: str
    format: str
    path: str
    card: str
    images: int
    largest_difference: float


def export_run(name: str, kind: str, file: Path | None, images: Sequence[str], workspace: Workspace) -> ExportedNetwork:
    """Export the network of a run, with a model card beside it.

    Args:
        name: the beginning of the run's identity, or a file ``*.safetensors``.
        kind: one of ``FORMATS``.
        file: where to; None: named after the run, in the working directory.
        images: what to check it on; empty: images of the target under the data root.

    Raises:
        UserError: an unknown format, no network, fewer than two images, or what was written does not agree.
    """
    if kind not in FORMATS:
        raise UserError(f"--to {kind} is not known; it takes {', '.join(FORMATS)}")
    chosen: Format = kind
    network = named_network(name, workspace)
    loaded = network.loaded
    spec = loaded.card.run_spec
    path = file.expanduser() if file is not None else Path(f"{spec.id}{SUFFIX[chosen]}")
    predictor = Predictor(loaded)
    checked = _given_images(predictor, images) if images else _target_images(loaded, predictor, workspace)
    if len(checked) < 2:
        raise UserError("an export is checked on two real images or more; name them behind the run")
    written: Exported = export(loaded, chosen, path, checked)
    card = path.with_name(f"{path.name}.md")
    scores = [] if network.run is None else scores_of(workspace.tracker(), network.run)
    how = f"exported from {network.what}; {how_chosen(network.run)}"
    card.write_text(model_card(loaded.card, scores, how), encoding="utf-8")
    return ExportedNetwork(
        run_id=spec.id, format=chosen, path=str(path), card=str(card), images=written.images,
        largest_difference=written.largest_difference,
    )  # fmt: skip


def _given_images(predictor: Predictor, images: Sequence[str]) -> list[Image]:
    return [predictor.read(image.path)[0] for image in find_images(images)[:CHECKED]]


def _target_images(loaded: LoadedNetwork, predictor: Predictor, workspace: Workspace) -> list[Image]:
    """Images of target train, evenly spread."""
    try:
        target = load.domains(loaded.card.benchmark.name, workspace.root).target_train.images
    except UserError as error:
        raise UserError(f"{error}; or name images to check the export on, behind the run") from error
    rows = np.unique(np.linspace(0, len(target) - 1, min(CHECKED, len(target))).round().astype(int))
    return [predictor.resize(target[int(row)]) for row in rows]
