"""Table 5 in small: which term of Eq. 6 does what on the two digit pairs, as Markdown on stdout.

``make table5`` runs it on the runs of ``make results``; ``python reports/table5.py OUT`` on those of another folder.
"""

import json
import subprocess
import sys

PAIRS = ("fonts_digits", "digits")
TERMS = (("fDTA", "delta_c"), ("cDTA", "delta_e"), ("VAT", "lambda_3"))


def main(out: str) -> None:
    """One table a pair, in the order of the paper's."""
    print("# Table 5 in small\n")
    print(
        "Target test accuracy (instances), %, last epoch; the entropy term is on in all rows but source-only, as in the"
    )
    print(
        "paper. `dta` rows: Eq. 6's four terms, masks start at random, class-averaged KL. `dta_released`: as released.\n"
    )
    for pair in PAIRS:
        command = [sys.executable, "-m", "dta_bench", "report", pair, "--json", "--out", out]
        found = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
        rows = {name(row): row for row in reversed(found["leaderboard"])}
        print(f"## {pair}: {found['source']} -> {found['target']}\n")
        print("| row | target test | 95 % interval | seeds |\n| --- | ---: | ---: | ---: |")
        for title in ("source-only", "entropy", *combinations(), "dta_released"):
            if title in rows:
                row = rows[title]
                print(
                    f"| {title} | {row['test']:.1f} | {row['ci95'][0]:.1f} to {row['ci95'][1]:.1f} | {row['seeds']} |"
                )
        print()


def combinations() -> list[str]:
    """The names of Table 5's rows, in its order."""
    return ["VAT", "fDTA", "fDTA + VAT", "cDTA", "cDTA + VAT", "fDTA + cDTA", "fDTA + cDTA + VAT"]


def name(row: dict) -> str:
    """What Table 5 calls this configuration; configurations that it does not have keep their method's name."""
    params = row["params"]
    if row["method"] == "source_only":
        return "source-only"
    if row["method"] == "dta_released" and params["class_balance"] == 0.01:
        return "dta_released"
    if row["method"] != "dta" or params["start"] != "stochastic" or params["class_balance"]:
        return f"{row['method']} {params}"
    return " + ".join(term for term, switch in TERMS if params[switch]) or "entropy"


main(sys.argv[1] if len(sys.argv) > 1 else ".")
