"""The table of faults, as Markdown on stdout: each is injected on a real cluster of our own; run by ``make faults``."""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

CHECKOUT = Path(__file__).parents[1]


def main() -> None:
    """Run the tests that inject them; what each kept is a row, what failed has none and is named."""
    with tempfile.TemporaryDirectory() as folder:
        kept = Path(folder, "rows.jsonl")
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-m", "cluster", "tests/test_faults.py", "--timeout", "3600", "--tb=line"],
            cwd=CHECKOUT, env=os.environ | {"DTA_BENCH_FAULTS": str(kept)}, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        rows = [json.loads(line) for line in kept.read_text().splitlines()] if kept.exists() else []
    print(done.stdout, file=sys.stderr)
    print("# Faults, and what came of them\n")
    print("`make faults`: a head and two workers of our own in network namespaces, started by `ray up`; a sweep of two")
    print(
        "runs; the fault is real. Held each time: the same set of runs, none twice, each finished, each with one loss"
    )
    print("for every epoch.\n")
    print("| injected | what came of it |\n| --- | --- |")
    for row in rows:
        print(f"| {row['injected']} | {row['seen']} |")
    print(f"\nThe tests' own last line: {done.stdout.strip().splitlines()[-1]}")


main()
