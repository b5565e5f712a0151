"""Table 5 in small: which term of Eq. 6 does what on the two digit pairs, as Markdown on stdout.

``make table5`` runs it on the runs of ``make results``; ``python reports/table5.py OUT`` on those of another folder.
"""

import json
import subprocess
import sys

PAIRS = ("fonts_digits", "digits")
TERMS = (("fDTA", "delta_c"), ("cDTA", "delta_e"), ("VAT", "lambda_3"))


INTRODUCTION = """# Table 5 in small

Target test accuracy (instances), %, last epoch; the entropy term is on in all rows but source-only, as in the paper.
`dta` rows: Eq. 6's four terms, masks start at random, class-averaged KL; `dta_released`: all of the released terms.
The difference is paired by seed and image, with its standard error over both.
"""


def main(out: str) -> None:
    """Print a table for each pair, with rows in the paper's order."""
    print(INTRODUCTION)
    for pair in PAIRS:
        command = [sys.executable, "-m", "dta_bench", "report", pair, "--json", "--out", out]
        found = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
        rows = {row_name(row): row for row in reversed(found["leaderboard"])}
        print(f"## {pair}: {found['source']} -> {found['target']}\n")
        print("| row | target test | 95 % interval | less source-only | seeds |\n| --- | ---: | ---: | ---: | ---: |")
        for title in ("source-only", "entropy", *combinations(), "dta_released"):
            if title in rows:
                print(f"| {title} | {' | '.join(cells(rows[title]))} |")
        print()


def cells(row: dict) -> list[str]:
    """Return the figures of a row as cells."""
    low, high = row["ci95"]
    gap = row["difference"]
    difference = f"{gap['points']:+.1f} ± {gap['standard_error']:.1f}" if row["competes"] else ""
    return [f"{row['test']:.1f}", f"{low:.1f} to {high:.1f}", difference, str(row["seeds"])]


def combinations() -> list[str]:
    """Return the names of Table 5's rows, in its order."""
    return ["VAT", "fDTA", "fDTA + VAT", "cDTA", "cDTA + VAT", "fDTA + cDTA", "fDTA + cDTA + VAT"]


def row_name(row: dict) -> str:
    """Return Table 5's name of a configuration; one that it does not have gets its method's name."""
    params = row["params"]
    if row["method"] == "source_only":
        return "source-only"
    if row["method"] == "dta_released" and params["class_balance"] == 0.01:
        return "dta_released"
    if row["method"] != "dta" or params["start"] != "stochastic" or params["class_balance"]:
        return f"{row['method']} {params}"
    return " + ".join(term for term, switch in TERMS if params[switch]) or "entropy"


main(sys.argv[1] if len(sys.argv) > 1 else ".")
