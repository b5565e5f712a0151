"""What it costs to know data in files by their contents: the first fingerprint of many files, and every later one.

``python reports/contents.py [FILES [BYTES [FOLDER]]]`` prints a line of JSON; by default 2,000 files of 20,000 bytes in
a temporary folder. A FOLDER keeps the files, and a call that was interrupted goes on making them. ``make contents``
keeps the line of 200,000 files as reports/contents.json.
"""

import json
import os
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

A_FOLDER = 1000  # files in a folder, as in data sets with many classes
SETTLING = 3  # seconds until digests are kept of files that have just been written
MEASURED = """
import sys, time
from pathlib import Path
from dta_bench.domains.data_fingerprint import fingerprint
root = Path(sys.argv[1])
entries = [(f"{folder.name}/{file.name}", "0") for folder in root.iterdir() for file in folder.iterdir()]
start = time.perf_counter()
fingerprint(root, entries)
print(time.perf_counter() - start)
"""


def main(files: int, size: int, kept: str | None) -> None:
    """Make the files, fingerprint them twice in processes of their own, and print how long each took."""
    with tempfile.TemporaryDirectory() as temporary:
        root = Path(kept or temporary, "files")
        make(root, files, size)
        time.sleep(SETTLING)
        with tempfile.TemporaryDirectory() as cache:
            first, again = (seconds(root, cache) for _ in range(2))
            (digests,) = Path(cache, "dta-bench").glob("*.sqlite")
            result = {
                "files": files, "bytes_each": size, "cores": os.cpu_count(), "processes_waiting": os.getloadavg()[0],
                "first_seconds": round(first, 2), "again_seconds": round(again, 2),
                "kept_digests_mib": round(digests.stat().st_size / 2**20, 1),
            }  # fmt: skip
    print(json.dumps(result))


def make(root: Path, files: int, size: int) -> None:
    """Write the files that are not there yet, each with other bytes; the last one of an interrupted call anew."""
    for number in range(files):
        path = root / str(number // A_FOLDER) / f"{number:06}.png"
        if not path.exists() or path.stat().st_size != size:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(random.Random(number).randbytes(size))


def seconds(root: Path, cache: str) -> float:
    """How long a fingerprint takes in a new process that keeps digests in ``cache``."""
    command = [sys.executable, "-c", MEASURED, str(root)]
    env = os.environ | {"XDG_CACHE_HOME": cache}
    return float(subprocess.run(command, env=env, check=True, stdout=subprocess.PIPE, text=True).stdout)


given = sys.argv[1:]
main(int(given[0]) if given else 2000, int(given[1]) if given[1:] else 20_000, given[2] if given[2:] else None)
