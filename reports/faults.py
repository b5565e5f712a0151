"""The table of faults, as Markdown on stdout: each is injected on a real cluster in a lab; run by ``make faults``.

Without arguments all faults are injected. Arguments are pytest's (``-k torn``): then the other rows stay as they are in
``faults.jsonl``. With ``--table`` alone nothing is injected.
"""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

CHECKOUT = Path(__file__).parents[1]
TESTS = "tests/cluster/test_faults.py"
KEPT = Path(__file__).with_suffix(".jsonl")
HEAD = """# Faults, and what came of them

`make faults`: a head and two workers of our own in network namespaces, started by `ray up`; a sweep of two runs; the
fault is real. Held each time: the same set of runs, none twice, each finished, each with one loss for every epoch.

| injected | what came of it |
| --- | --- |"""


def main(given: list[str]) -> None:
    """Run the tests that inject faults, and print a row for each; a test that failed has no row and is named below."""
    kept = KEPT.read_text() if KEPT.exists() else ""
    if not given:
        KEPT.unlink(missing_ok=True)
    failed = set() if given == ["--table"] else inject(given)
    if not KEPT.exists():
        KEPT.write_text(kept)
        raise SystemExit("nothing was injected; the lines above say why")
    rows = {row["test"]: row for row in map(json.loads, KEPT.read_text().splitlines())}
    print(HEAD)
    names = fault_tests()
    for row in [rows[name] for name in names if name in rows and name not in failed]:
        print(f"| {row['injected']} | {row['seen']} |")
    if without := [name for name in names if name not in rows or name in failed]:
        print(f"\nWithout a row, because they failed or were not run: {', '.join(without)}.")


def fault_tests() -> list[str]:
    """The names of the tests that inject a fault, in their order."""
    return re.findall(r"^def (test_\w+)", (CHECKOUT / TESTS).read_text(), re.MULTILINE)


def inject(given: list[str]) -> set[str]:
    """Run the tests, with their output on stderr; the names of those that failed."""
    command = [sys.executable, "-m", "pytest", "-rfEs", "-vv", "-m", "cluster", "--timeout", "3600", "--tb=short"]
    env = os.environ | {"DTA_BENCH_FAULTS": str(KEPT)}
    failed = set()
    with subprocess.Popen([*command, TESTS, *given], cwd=CHECKOUT, env=env, stdout=subprocess.PIPE, text=True) as tests:
        assert tests.stdout is not None
        for line in tests.stdout:
            print(line, end="", file=sys.stderr, flush=True)
            failed |= set(re.findall(r"^(?:FAILED|ERROR) \S+::(\w+)", line))
    return failed


main(sys.argv[1:])
