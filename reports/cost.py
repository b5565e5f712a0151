"""What a step costs on the paper's VisDA networks, and why, as Markdown on stdout; run by ``make cost``."""

import json
import subprocess
import sys
from typing import Any

BACKBONES = ("resnet50", "resnet101")
COLUMNS = ("method", "vat", "flops_ratio", "time_ratio", "images_per_second", "peak_memory_mib")


def main() -> None:
    """Print a table for each backbone."""
    print("# What a step costs\n")
    for backbone in BACKBONES:
        command = ["profile", "visda", "--backbone", backbone, "--batch", "4", "--rounds", "3", "--trace", "--json"]
        done = subprocess.run([sys.executable, "-m", "dta_bench", *command], check=True, capture_output=True, text=True)
        found = json.loads(done.stdout)
        print(f"`dta-bench {' '.join(command)}` on {found['device']}, {found['threads']} threads; ratios are multiples")
        print(f"of a source-only step, times interleaved in one process; memory: {found['peak_memory_is']}.\n")
        print("| backbone | method | VAT | FLOPs | time | images/s | MiB |")
        print("| --- | --- | --- | ---: | ---: | ---: | ---: |")
        for row in found["rows"]:
            method, vat, flops, time, rate, memory = (row[column] for column in COLUMNS)
            numbers = (f"{flops:.3f}", f"{time:.2f}", f"{rate:.2f}", f"{memory:.0f}")
            cells = (backbone, method, "yes" if vat else "no", *numbers)
            print(f"| {' | '.join(cells)} |")
        print()
        for traced in found["traces"]:
            show_trace(traced)


def show_trace(traced: dict[str, Any]) -> None:
    """Print by which operators a row's ratio of time differs from its ratio of FLOPs."""
    vat = "with VAT" if traced["vat"] else "without VAT"
    time, flops = f"{traced['time_ratio']:.2f} times the time", f"{traced['flops_ratio']:.3f} times the FLOPs"
    print(f"{traced['method']} {vat}, traced: {time}, {flops}; the gap by kind of operator:\n")
    print("| operators | share of source-only's time | time | FLOPs | gap |")
    print("| --- | ---: | ---: | ---: | ---: |")
    for part in traced["parts"]:
        time, flops = ("-" if part[key] is None else f"{part[key]:.2f}" for key in ("time_ratio", "flops_ratio"))
        print(f"| {part['kind']} | {100 * part['share']:.1f} % | {time} | {flops} | {part['gap']:+.2f} |")
    print()


main()
