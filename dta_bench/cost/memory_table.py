"""``dta-bench profile memory``: which steps of a benchmark fit which graphics card; no step is computed."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.table import Table

from dta_bench.cost import peak_memory, step
from dta_bench.errors import UserError
from dta_bench.nn import pretrained
from dta_bench.spec.plan import Plan

SMALL = (1, 2, 4, 8)
"""Images of a domain in the pieces of batches that are small already, as those of label maps are."""
MOST_PIECES = 6


def memory_costs(plan: Plan, image_size: int | None) -> dict[str, Any]:
    """Find the memory of source-only and of each method's step, for the plan's piece of a batch and parts of it.

    Pieces that the network cannot train on (a BatchNorm of one value) are left out.

    Args:
        image_size: height and width in pixels; None takes the size that training sees.

    Returns:
        What ``--json`` prints; two rows for each method and piece: activations kept, and computed again.
    """
    benchmark = plan.benchmark.for_training(plan.training)
    size = (image_size, image_size) if image_size else benchmark.train_size
    backbone = plan.backbones[0]
    plugin = pretrained.backbone(backbone, size)
    measured = [step.SOURCE_ONLY]
    for method in plan.methods:
        if method != "source_only":
            measured += step.without_and_with_vat(plan.method_plugins[method], plan.params(backbone, method, {}))[:1]
    shape = step.BatchShape(plugin.task, len(benchmark.classes), 1, plugin.channels, size)
    network = plugin.build(len(benchmark.classes))
    rows = []
    for piece in pieces_of(plan.training.piece):
        try:
            rows += peak_memory.memory_needs(network, measured, shape, [piece])
        except UserError:
            raise
        except Exception as error:  # a user's method may do anything, and the meta device lacks some operators
            reason = str(error).partition("\n")[0]
            if "more than 1 value per channel" not in reason:
                raise UserError(
                    f"the memory of a step on {backbone} cannot be counted without computing it "
                    f"({type(error).__name__}: {reason}); dta-bench profile step measures it"
                ) from error
    return {
        "benchmark": benchmark.name, "backbone": backbone, "image_size": list(size), "precision": "float32",
        "cards_gib": list(peak_memory.CARDS), "slack": peak_memory.SLACK,
        "rows": [
            {
                "method": need.method, "images": need.images, "checkpointing": need.checkpointing,
                "gib": need.bytes / 2**30, "fits_gib": need.smallest_card,
            }
            for need in rows
        ],
    }  # fmt: skip


def pieces_of(images: int) -> list[int]:
    """Numbers of images to count the memory of: a piece of a batch and its halves, or 1 to 8 where it is no larger.

    Args:
        images: of a domain that a device takes at once.
    """
    if images <= max(SMALL):
        return list(SMALL)
    halves = dict.fromkeys(images >> times for times in range(MOST_PIECES))
    return sorted(piece for piece in halves if piece)


def show(found: dict[str, Any], console: Console) -> None:
    """Print what :func:`memory_costs` found as a table."""
    height, width = found["image_size"]
    shown = Table(
        title=f"{found['backbone']}, {height}x{width}, float32: the peak of a step", title_justify="left",
        caption="images: batch_size / (accumulate x devices), of a domain; recomputed: --training checkpointing=true"
        "\n"
        f"fits: the smallest of {', '.join(map(str, found['cards_gib']))} GiB, with {100 * found['slack'] - 100:.0f} %"
        " for the allocator and cuDNN", caption_justify="left",
    )  # fmt: skip
    for column in ("method", "images", "activations"):
        shown.add_column(column)
    for column in ("GiB", "fits"):
        shown.add_column(column, justify="right")
    for row in found["rows"]:
        kept = "recomputed" if row["checkpointing"] else "kept"
        fits = f"{row['fits_gib']} GiB" if row["fits_gib"] else "none of them"
        shown.add_row(row["method"], str(row["images"]), kept, f"{row['gib']:.2f}", fits)
    console.print(shown)
