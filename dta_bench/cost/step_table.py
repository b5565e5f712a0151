"""``dta-bench profile``: what a step of a benchmark's methods costs on a backbone, here."""

from __future__ import annotations

import copy
import dataclasses
from typing import Any

import torch
from rich.console import Console
from rich.table import Table

from dta_bench.cost import operators, step
from dta_bench.nn import pretrained
from dta_bench.nn.network import Network
from dta_bench.spec.plan import Plan


def costs(plan: Plan, batch: int, image_size: int | None, rounds: int) -> dict[str, Any]:
    """A row for source only, and for each method without and with VAT; parameters are those of the file's row."""
    benchmark, backbone = plan.benchmark, plan.backbones[0]
    methods = [m for m in plan.methods if m != "source_only"]
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    size = (image_size, image_size) if image_size else benchmark.image_size
    rows = step.profile(
        pretrained.backbone(backbone, size),
        [plan.method_plugins[m] for m in methods],
        {m: plan.params(backbone, m, {}) for m in methods},
        classes=len(benchmark.classes), batch=batch, image_size=size, device=device, rounds=rounds,
    )  # fmt: skip
    return {
        "benchmark": benchmark.name, "backbone": backbone, "batch": batch, "image_size": list(size),
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu",
        "threads": torch.get_num_threads(), "rounds": rounds, "peak_memory_is": step.MEMORY[device.type],
        "rows": rows,
    }  # fmt: skip


def traced(plan: Plan, batch: int, image_size: int | None, rounds: int) -> list[dict[str, Any]]:
    """Where each row's ratio of time parts from its ratio of FLOPs, by kind of operator; see :class:`trace.Part`."""
    benchmark, backbone = plan.benchmark, plan.backbones[0]
    size = (image_size, image_size) if image_size else benchmark.image_size
    found = pretrained.backbone(backbone, size)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    shape = step.Batch(found.task, len(benchmark.classes), batch, found.channels, size)
    cases = [step.SOURCE_ONLY]
    for method in plan.methods:
        cases += step.cases_of(plan.method_plugins[method], plan.params(backbone, method, {}))
    net = found.build(len(benchmark.classes))
    flops = [_flops_by_kind(copy.deepcopy(net).to("meta"), case, shape) for case in cases]
    seconds = operators.seconds_by_kind(step.steps(net.to(device), cases, shape, device), rounds, device)
    return [
        {
            "method": case.name, "vat": case.vat,
            "time_ratio": sum(took.values()) / sum(seconds[0].values()),
            "flops_ratio": sum(did.values()) / sum(flops[0].values()),
            "parts": [dataclasses.asdict(part) for part in operators.gap(took, seconds[0], did, flops[0])],
        }
        for case, took, did in zip(cases[1:], seconds[1:], flops[1:], strict=True)
    ]  # fmt: skip


def _flops_by_kind(twin: Network, case: step.Case, shape: step.Batch) -> dict[str, int]:
    found: dict[str, int] = {}
    for operator, count in step.flops_by_operator(twin, case, shape).items():
        kind = operators.kind_of(operator)
        found[kind] = found.get(kind, 0) + count
    return found


def show_traces(found: list[dict[str, Any]], console: Console) -> None:
    """A table a row of :func:`traced`."""
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


def show_costs(found: dict[str, Any], console: Console) -> None:
    """The same as a table; ratios are multiples of the source-only step."""
    height, width = found["image_size"]
    above = {row["method"]: row["above_floor"] for row in found["rows"] if row["above_floor"]}
    caption = [f"memory: {found['peak_memory_is']}", *(f"above {m}'s floor: {what}" for m, what in above.items())]
    title = f"{found['backbone']}, {height}x{width}, {found['batch']} images a domain, {found['device']}"
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
            f"{row['images_per_second']:.1f}", f"{row['peak_memory_mib']:.0f}", shares,
        )  # fmt: skip
    console.print(shown)
