"""The tables of faults, as Markdown on stdout: each is injected in reality, on a cluster in a lab or on this machine.

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
TESTS = {
    "On a cluster": ["tests/cluster/test_faults.py"],
    "Where machines come and go": ["tests/cluster/test_autoscaling.py", "tests/cluster/test_autoscaled_gpus.py"],
    "As a job of Slurm": ["tests/cluster/test_on_slurm.py"],
    "On one machine": [
        "tests/sweep/test_faults_on_one_machine.py", "tests/sweep/test_upgrade.py",
        "tests/security/test_planted_cache_folder.py", "tests/security/test_planted_session_folder.py",
        "tests/sweep/on_ray/test_worker_path.py", "tests/sweep/on_ray/test_ray_dies.py",
        "tests/sweep/on_ray/test_worker_dies.py",
    ],
}  # fmt: skip
"""Heading of a table → the files of the tests that inject its faults and note them."""
KEPT = Path(__file__).with_suffix(".jsonl")
HEAD = """# Faults, and what came of them

`make faults`. On a cluster: a head and two workers of our own in network namespaces, started by `ray up`; a sweep of
two runs; the fault is real. Held each time: the same set of runs, none twice, each finished, each with one loss for
every epoch. Where machines come and go: a head with Ray's own autoscaler, whose machines are raylets on one host, under
a cloud that is pretended. As a job of Slurm: a real one on two such hosts. On one machine: the commands as a user gives
them, in processes of their own."""
COLUMNS = """
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
    rows = by_test(KEPT.read_text().splitlines())
    print(HEAD)
    good = {name: found for name, found in rows.items() if name not in failed}
    for heading, files in TESTS.items():
        print(f"\n## {heading}\n{COLUMNS}")
        for injected, seen in [row for name in fault_tests(files) for row in good.get(name, {}).items()]:
            print(f"| {injected} | {seen} |")
    if without := [name for files in TESTS.values() for name in fault_tests(files) if name not in good]:
        print(f"\nWithout a row, because they failed or were not run: {', '.join(without)}.")


def by_test(lines: list[str]) -> dict[str, dict[str, str]]:
    """Name of a test → what it injected → what was seen last; a test may inject more than one fault."""
    found = dict[str, dict[str, str]]()
    for row in map(json.loads, lines):
        found.setdefault(row["test"], {})[row["injected"]] = row["seen"]
    return found


def fault_tests(files: list[str]) -> list[str]:
    """The names of the tests that inject a fault, in their order."""
    tests = [re.findall(r"^def (test_\w+)\(([^)]*)\)", (CHECKOUT / file).read_text(), re.MULTILINE) for file in files]
    return [name for found in tests for name, arguments in found if "note: Note" in arguments]


def inject(given: list[str]) -> set[str]:
    """Run the tests, with their output on stderr; the names of those that failed."""
    files = [file for table in TESTS.values() for file in table]
    options = ["-rfEs", "-vv", "-m", "cluster or slurm or slow", "--timeout", "3600", "--tb=short"]
    command = [sys.executable, "-m", "pytest", *options, *files, *given]
    env = os.environ | {"DTA_BENCH_FAULTS": str(KEPT)}
    failed = set()
    with subprocess.Popen(command, cwd=CHECKOUT, env=env, stdout=subprocess.PIPE, text=True) as tests:
        assert tests.stdout is not None
        for line in tests.stdout:
            print(line, end="", file=sys.stderr, flush=True)
            failed |= set(re.findall(r"^(?:FAILED|ERROR) \S+::(\w+)", line))
    return failed


main(sys.argv[1:])
