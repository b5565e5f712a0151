"""The table of faults, as Markdown on stdout: each is injected on a real cluster of our own; run by ``make faults``.

Arguments are pytest's, by default the tests that inject them; more files run more of ``make test-cluster``.
"""

import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

CHECKOUT = Path(__file__).parents[1]
TESTS = "tests/test_faults.py"
HEAD = """# Faults, and what came of them

`make faults`: a head and two workers of our own in network namespaces, started by `ray up`; a sweep of two runs; the
fault is real. Held each time: the same set of runs, none twice, each finished, each with one loss for every epoch.

| injected | what came of it |
| --- | --- |"""


def main(tests: list[str]) -> None:
    """Run the tests that inject them; what each kept is a row, what failed has none and is named."""
    with tempfile.TemporaryDirectory() as folder:
        kept = Path(folder, "rows.jsonl")
        said = told(
            [sys.executable, "-m", "pytest", "-rfEs", "-v", "-m", "cluster", "--timeout", "3600", "--tb=short", *tests],
            os.environ | {"DTA_BENCH_FAULTS": str(kept)},
        )
        rows = [json.loads(line) for line in kept.read_text().splitlines()] if kept.exists() else []
    print(HEAD)
    for row in rows:
        print(f"| {row['injected']} | {row['seen']} |")
    if without := sorted(injecting() - {row["test"] for row in rows}):
        print(f"\nWithout a row, because they failed or were not run: {', '.join(without)}.")
    print(f"\nThe tests' own last line, of `{' '.join(tests)}`: {said[-1].strip('= ')}")


def injecting() -> set[str]:
    """The names of the tests that inject a fault."""
    return set(re.findall(r"^def (test_\w+)", (CHECKOUT / TESTS).read_text(), re.MULTILINE))


def told(command: list[str], env: dict[str, str]) -> list[str]:
    """The lines that ``command`` prints, each shown on stderr as it comes."""
    lines = []
    with subprocess.Popen(command, cwd=CHECKOUT, env=env, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            print(line, end="", file=sys.stderr, flush=True)
            lines.append(line.rstrip())
    return [line for line in lines if line]


main(sys.argv[1:] or [TESTS])
