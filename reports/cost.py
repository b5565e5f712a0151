"""What a step costs on the paper's VisDA networks, as Markdown on stdout; run by ``make cost``."""

import json
import subprocess
import sys

BACKBONES = ("resnet50", "resnet101")
COLUMNS = ("method", "vat", "flops_ratio", "time_ratio", "images_per_second", "peak_memory_mib")


def main() -> None:
    """One table a backbone."""
    print("# What a step costs\n")
    for backbone in BACKBONES:
        command = ["profile", "visda", "--backbone", backbone, "--batch", "4", "--rounds", "3", "--json"]
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


main()
