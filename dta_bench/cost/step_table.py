"""``dta-bench profile``: what a step of a benchmark's methods costs on a backbone, on this machine."""

from __future__ import annotations

import copy
import dataclasses
from typing import Any

import torch
from rich.console import Console
from rich.table import Table

from dta_bench.cost import measure, operators, step
from dta_bench.cost.profile import MEMORY, profile
from dta_bench.nn import pretrained
from dta_bench.nn.network import Network
from dta_bench.spec.plan import Plan
from dta_bench.spec.spelling import spell_rate


def step_costs(plan: Plan, batch: int, image_size: int | None, rounds: int) -> dict[str, Any]:
    """Measure a step of source-only, and of each method without and with VAT.

    Parameters are those of the search space's row for the backbone.

    Args:
        batch: images of each domain.
        image_size: height and width in pixels; None takes the benchmark's.
        rounds: how often each step is timed, in turn with the others.

    Returns:
        What ``--json`` prints.
    """
    benchmark, backbone = plan.benchmark, plan.backbones[0]
    methods = [m for m in plan.methods if m != "source_only"]
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    size = (image_size, image_size) if image_size else benchmark.image_size
    rows = profile(
        pretrained.backbone(backbone, size),
        [plan.method_plugins[m] for m in methods],
        {m: plan.params(backbone, m, {}) for m in methods},
        classes=len(benchmark.classes), batch=batch, image_size=size, device=device, rounds=rounds,
    )  # fmt: skip
    return {
        "benchmark": benchmark.name, "backbone": backbone, "batch": batch, "image_size": list(size),
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu",
        "threads": torch.get_num_threads(), "rounds": rounds, "peak_memory_is": MEMORY[device.type],
        "rows": rows,
    }  # fmt: skip


def operator_costs(plan: Plan, batch: int, image_size: int | None, rounds: int) -> list[dict[str, Any]]:
    """Trace the same steps and compare each with source-only by kind of operator.

    Returns:
        What ``--json`` prints; ``parts`` are the fields of :class:`dta_bench.cost.operators.OperatorCost`.
    """
    benchmark, backbone = plan.benchmark, plan.backbones[0]
    size = (image_size, image_size) if image_size else benchmark.image_size
    plugin = pretrained.backbone(backbone, size)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    shape = step.BatchShape(plugin.task, len(benchmark.classes), batch, plugin.channels, size)
    measured = [step.SOURCE_ONLY]
    for method in plan.methods:
        measured += step.without_and_with_vat(plan.method_plugins[method], plan.params(backbone, method, {}))
    net = plugin.build(len(benchmark.classes))
    flops = [_flops_by_kind(net, configured, shape) for configured in measured]
    seconds = operators.seconds_by_kind(step.build_steps(net.to(device), measured, shape, device), rounds, device)
    return [
        {
            "method": configured.name, "vat": configured.vat,
            "time_ratio": sum(took.values()) / sum(seconds[0].values()),
            "flops_ratio": sum(counted.values()) / sum(flops[0].values()),
            "parts": list(map(dataclasses.asdict, operators.compare_steps(took, seconds[0], counted, flops[0]))),
        }
        for configured, took, counted in zip(measured[1:], seconds[1:], flops[1:], strict=True)
    ]  # fmt: skip


def _flops_by_kind(net: Network, configured: step.ConfiguredMethod, shape: step.BatchShape) -> dict[str, int]:
    by_kind: dict[str, int] = {}
    meta_net = copy.deepcopy(net).to("meta")
    by_operator = measure.on_meta_or_cpu(
        measure.flops_by_operator, meta_net, lambda: copy.deepcopy(net), configured, shape
    )
    for operator, count in by_operator.items():
        kind = operators.kind_of(operator)
        by_kind[kind] = by_kind.get(kind, 0) + count
    return by_kind


def show_operator_costs(found: list[dict[str, Any]], console: Console) -> None:
    """Print a table for each row of :func:`operator_costs`."""
    for row in found:
        vat = "with VAT" if row["vat"] else "without VAT"
        shown = Table(
            title=f"{row['method']} {vat}: {row['time_ratio']:.2f}x the time, {row['flops_ratio']:.3f}x the FLOPs",
            title_justify="left",
            caption="gap: what a kind of operator adds to the difference of the two ratios",
            caption_justify="left",
        )
        shown.add_column("operators")
        for column in ("share of source-only", "time", "FLOPs", "gap"):
            shown.add_column(column, justify="right")
        for part in row["parts"]:
            times, flops = ("-" if part[k] is None else f"{part[k]:.2f}x" for k in ("time_ratio", "flops_ratio"))
            shown.add_row(part["kind"], f"{100 * part['share']:.1f} %", times, flops, f"{part['gap']:+.2f}")
        console.print(shown)


def show_step_costs(found: dict[str, Any], console: Console) -> None:
    """Print what :func:`step_costs` found as a table; ratios are multiples of the source-only step."""
    height, width = found["image_size"]
    above = {row["method"]: row["above_floor"] for row in found["rows"] if row["above_floor"]}
    caption = [f"memory: {found['peak_memory_is']}", *(f"above {m}'s floor: {what}" for m, what in above.items())]
    title = f"{found['backbone']}, {height}x{width}, {found['batch']} images per domain, {found['device']}"
    shown = Table(title=title, title_justify="left", caption="\n".join(caption), caption_justify="left")
    for column in ("method", "VAT"):
        shown.add_column(column)
    for column in ("FLOPs", "floor", "time", "images/s", "MiB"):
        shown.add_column(column, justify="right")
    shown.add_column("share of the FLOPs")
    for row in found["rows"]:
        shares = ", ".join(f"{term} {100 * part:.0f} %" for term, part in row["shares"].items() if part >= 0.005)
        shown.add_row(
            row["method"], "yes" if row["vat"] else "no", f"{row['flops_ratio']:.3f}x",
            "-" if row["floor"] is None else f"{row['floor']:.3f}x", f"{row['time_ratio']:.2f}x",
            spell_rate(row["images_per_second"]), f"{row['peak_memory_mib']:.0f}", shares,
        )  # fmt: skip
    console.print(shown)
