"""``dta-bench profile``: what a step of a benchmark's methods costs on a backbone, here."""

from __future__ import annotations

from typing import Any

import torch
from rich.console import Console
from rich.table import Table

from dta_bench import execution, plugins, pretrained, profile
from dta_bench.sweep.plan import Plan


def costs(plan: Plan, batch: int, image_size: int | None, rounds: int) -> dict[str, Any]:
    """A row for source only, and for each method without and with VAT; parameters are those of the file's row."""
    benchmark, backbone = execution.benchmark_of(plan.file.benchmark), plan.backbones[0]
    methods = [m for m in plan.methods if m != "source_only"]
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    size = (image_size, image_size) if image_size else benchmark.image_size
    rows = profile.profile(
        pretrained.backbone(backbone, size),
        {m: plugins.load("method", m) for m in methods},
        {m: plan.params(backbone, m, {}) for m in methods},
        classes=len(benchmark.classes), batch=batch, image_size=size, device=device, rounds=rounds,
    )  # fmt: skip
    return {
        "benchmark": benchmark.name, "backbone": backbone, "batch": batch, "image_size": list(size),
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu",
        "threads": torch.get_num_threads(), "rounds": rounds, "peak_memory_is": profile.MEMORY[device.type],
        "rows": rows,
    }  # fmt: skip


def show_costs(found: dict[str, Any], console: Console) -> None:
    """The same as a table; ratios are multiples of the source-only step."""
    height, width = found["image_size"]
    title = f"{found['backbone']}, {height}x{width}, {found['batch']} images a domain, {found['device']}"
    shown = Table(
        title=title, title_justify="left", caption=f"memory: {found['peak_memory_is']}", caption_justify="left"
    )
    for column in ("method", "VAT"):
        shown.add_column(column)
    for column in ("FLOPs", "time", "images/s", "MiB"):
        shown.add_column(column, justify="right")
    shown.add_column("share of the FLOPs")
    for row in found["rows"]:
        shares = ", ".join(f"{term} {100 * part:.0f} %" for term, part in row["shares"].items() if part >= 0.005)
        shown.add_row(
            row["method"], "yes" if row["vat"] else "no", f"{row['flops_ratio']:.3f}x", f"{row['time_ratio']:.2f}x",
            f"{row['images_per_second']:.1f}", f"{row['peak_memory_mib']:.0f}", shares,
        )  # fmt: skip
    console.print(shown)
