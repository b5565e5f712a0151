"""PACS on frozen features, as a page: the figures of ``dta-bench report pacs --json``.

    python reports/pacs.py --root DATA [--out OUT] [--fine-tuned OTHER] > reports/pacs.md
    python reports/pacs.py --root DATA --cost shot,dta > reports/pacs_fine_tuned.json

``make pacs`` first sweeps the pairs whose data are there, then one pair in OTHER where the whole network trains. What
has no finished run is named with its command. The second command measures a step of some methods where the whole
network trains; the page says what runs on all pairs would take.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import textwrap
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dta_bench.cli.arguments import options_of
from dta_bench.cost.sweep_estimate import epoch_lengths
from dta_bench.spec import search_space_file
from dta_bench.spec.spelling import count_of
from dta_bench.spec.training import Training
from dta_bench.sweep.suite import plan_suite
from dta_bench.tracking import Tracker
from dta_bench.tracking.store_file import sqlite_uri

SUITE, SPACE, USUAL, BASELINE = "pacs", "compare_frozen", "frozen_pair", "source_only"
BACKBONE, SIZE, BATCH = "tf_efficientnet_lite0", 128, 32
WHOLE = "any_pair"
"""The search space of runs that train the whole network."""
FINE_TUNED = Path(__file__).parent / "pacs_fine_tuned.json"


def report_of(root: str, out: str) -> dict[str, Any]:
    """What ``dta-bench report pacs --json`` prints."""
    command = [sys.executable, "-m", "dta_bench", "report", SUITE, "--json", "--root", root, "--out", out]
    return dict(json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout))


@dataclass(frozen=True)
class Runs:
    """What a store's finished runs of the suite say of themselves.

    Attributes:
        count: how many there are, of the search and of confirmation.
        training: of all of them.
        seconds: method → seconds of training of a run, on average.
        labels: the sizes of the labelled subsets.
    """

    count: int
    training: Training
    seconds: dict[str, float]
    labels: list[int]


def page(
    report: dict[str, Any], runs: Runs, cost: dict[str, Any] | None = None,
    fine_tuned: tuple[dict[str, Any], Runs] | None = None,
) -> str:  # fmt: skip
    """The page of a suite's report as Markdown.

    Args:
        cost: of fine-tuned runs, as :func:`cost_of_fine_tuning` has it; None where it was not measured.
        fine_tuned: the report of runs in which the whole network trained, and what they say of themselves.
    """
    tuned = () if fine_tuned is None else _fine_tuned_pairs(*fine_tuned)
    parts = [
        *_tables(report, runs.seconds), *_gains(report), *_ranks(report), *tuned, *_fine_tuned(cost), *_missing(report),
    ]  # fmt: skip
    return "\n\n".join(["# PACS on frozen features", _how(report, runs), *parts])


def _how(report: dict[str, Any], runs: Runs) -> str:
    pairs, training, file = report["pairs"], runs.training, search_space_file.read(SPACE)
    size, labels = "x".join(map(str, training.image_size or ())), " or ".join(map(str, runs.labels))
    cells = [cell["seeds"] for pair in pairs.values() for cell in pair["methods"].values()]
    seeds = " or ".join(map(str, sorted(set(cells))))
    usual = search_space_file.read(USUAL).training.epochs
    made = (
        f"Made by `make pacs DATA=... WEIGHTS=...`. PACS (Li et al. 2017) at {size or 'its own'} pixels; "
        f"{report['backbone']} with ImageNet weights is frozen, and a bottleneck of {training.neck_width} and a "
        f"classifier train above it, {training.epochs} epochs over the source in batches of {training.batch_size} and "
        f"{training.batch_size}. Of each method up to {file.points} points of its sets were trained with "
        f"{count_of(file.seeds, 'seed')}, one was chosen on each pair by {labels} labelled images of the target, and "
        f"trained again with fresh seeds: the table is of these, {seeds} seeds a cell. {runs.count} runs in all; "
        f"{len(pairs)} of the suite's {report['stated']} pairs. Splits: {report['notes'][0]}."
    )
    small = (
        f"This is small: {training.epochs} epochs where `{USUAL}` has {usual}, few points of each method, one network, "
        f"{seeds} seeds, one draw of the splits and of the labelled images. It orders methods in this setting alone, "
        "and says nothing of fine-tuned networks. Source-only has nothing to choose; of the other methods, labels of "
        "the target chose the point. AdaBN estimates the frozen network's statistics on the target and computes the "
        "features again; DTA and its released form are without VAT, which needs pixels."
    )
    return "\n\n".join(textwrap.fill(words, 120, break_long_words=False) for words in (made, small))


def _tables(report: dict[str, Any], seconds: dict[str, float]) -> Iterator[str]:
    pairs, average = report["pairs"], report["average"]
    methods = dict.fromkeys(name for pair in pairs.values() for name in pair["methods"])
    ranked = sorted(methods, key=lambda name: -average.get(name, 0.0))
    head = ["method", f"average of {len(report['average_over'])}", *pairs, "s a run"]
    rows = [
        [
            name, _with_interval(average.get(name), report["average_intervals"].get(name)),
            *[_cell(pair["methods"].get(name)) for pair in pairs.values()], f"{seconds.get(name, 0):.1f}",
        ]
        for name in ranked
    ]  # fmt: skip
    yield f"## Accuracy on target test\n\nPercent, with 95 % intervals over seeds and images.\n\n{_table(head, rows)}"
    for note in report["notes"][1:]:
        yield f"Note: {note}."


def _gains(report: dict[str, Any]) -> Iterator[str]:
    """Each method less source-only: on average with its test, and how many pairs it loses."""
    pairs, average = [report["pairs"][key]["methods"] for key in report["average_over"]], report["average"]
    if BASELINE not in average or len(average) < 2:
        return
    rows = []
    for name in sorted(average.keys() - {BASELINE}, key=lambda name: -average[name]):
        test = next((one for one in report["comparisons"] if {one["first"], one["second"]} == {name, BASELINE}), None)
        by_pair = [methods[name]["score"] - methods[BASELINE]["score"] for methods in pairs]
        lost = sum(gain < 0 for gain in by_pair)
        shown = [_signed(test, name), _p(test), _verdict(test, name)] if test else ["", "", "not tested"]
        rows.append([name, *shown, f"{lost} of {len(pairs)}", f"{min(by_pair):+.1f} to {max(by_pair):+.1f}"])
    verdicts = Counter(row[3] for row in rows)
    words = "; ".join(f"{verdict}: {count}" for verdict, count in verdicts.items())
    lead = (
        "Points of the average, with 95 % intervals over seeds and images. Tests are corrected for "
        f"{len(report['comparisons'])} pairs of methods (Holm), and are about these very pairs of domains. Of "
        f"{count_of(len(rows), 'method')}: {words}."
    )
    table = _table(["method", "gain", "p (Holm)", "at 5 %", "pairs it loses", "gain by pair"], rows)
    yield f"## Gain over source-only\n\n{textwrap.fill(lead, 120)}\n\n{table}"


def _signed(test: dict[str, Any], name: str) -> str:
    sign = 1 if test["first"] == name else -1
    low, high = sorted(sign * end for end in test["ci95"])
    return f"{sign * test['points']:+.1f} ({low:+.1f} to {high:+.1f})"


def _p(test: dict[str, Any]) -> str:
    p = test["p_holm"]
    return "" if p is None else "< 0.001" if p < 0.001 else f"{p:.3f}"


def _verdict(test: dict[str, Any], name: str) -> str:
    if not test["differs"]:
        return "no difference shown"
    return "higher" if (test["points"] > 0) == (test["first"] == name) else "lower"


def _ranks(report: dict[str, Any]) -> Iterator[str]:
    across = report["across"]
    if across:
        of_ranks = [[name, f"{across['ranks'][name]:.2f}"] for name in sorted(across["ranks"], key=across["ranks"].get)]
        why = textwrap.fill(across["why_not_tested"], 120)
        yield f"## Ranks\n\n{why}\n\n{_table(['method', 'average rank'], of_ranks)}"


def cost_of_fine_tuning(methods: str, root: str) -> dict[str, Any]:
    """Measure a step of some methods on the whole network, and count the steps of an epoch over all pairs."""
    command = ["profile", WHOLE, "--backbone", BACKBONE, "--method", methods, "--batch", str(BATCH)]
    command += ["--image-size", str(SIZE), "--rounds", "3"]
    called = [sys.executable, "-m", "dta_bench", *command, "--json"]
    found = json.loads(subprocess.run(called, check=True, capture_output=True, text=True).stdout)
    options = options_of(backbone=[BACKBONE], training=[f"batch_size={BATCH}"], method=["source_only"])
    plans = plan_suite(SPACE, options, (), Path(root), SUITE).plans
    return {
        "command": f"dta-bench {' '.join(command)}", "threads": found["threads"], "device": found["device"],
        "steps": {key: epoch_lengths(plan, root)[0] for key, plan in plans.items()},
        "seconds": {
            f"{row['method']}{' with VAT' if row['vat'] else ''}": BATCH / row["images_per_second"]
            for row in found["rows"]
        },
    }  # fmt: skip


def _fine_tuned_pairs(report: dict[str, Any], runs: Runs) -> Iterator[str]:
    """What came of the pairs on which the whole network was trained."""
    pairs, training = report["pairs"], runs.training
    methods = dict.fromkeys(name for pair in pairs.values() for name in pair["methods"])
    seeds = {cell["seeds"] for pair in pairs.values() for cell in pair["methods"].values()}
    minutes = sum(runs.seconds.values()) * runs.count / len(runs.seconds) / 60
    words = (
        f"{count_of(runs.count, 'run')} in which the whole network trained, at "
        f"{'x'.join(map(str, training.image_size or ()))} pixels, {training.epochs} epochs at a learning rate of "
        f"{training.learning_rate:g} in batches of {training.batch_size} and {training.batch_size}, each method at the "
        f"first point of its sets, {' or '.join(map(str, sorted(seeds)))} seeds a cell: nothing was chosen. They took "
        f"{minutes:.0f} minutes in all, one core a run, on a busy machine. This is one pair and a short training, far "
        "from a recipe of this field."
    )
    rows = [
        [name, *[_cell(pair["methods"].get(name)) for pair in pairs.values()], f"{runs.seconds.get(name, 0):.0f}"]
        for name in sorted(methods, key=lambda name: -report["average"].get(name, 0.0))
    ]
    yield f"## Fine-tuned\n\n{textwrap.fill(words, 120)}\n\n{_table(['method', *pairs, 's a run'], rows)}"


def _fine_tuned(cost: dict[str, Any] | None) -> Iterator[str]:
    if cost is None:
        return
    epochs, seeds, steps = search_space_file.read(WHOLE).training.epochs, 3, sum(cost["steps"].values())
    threads = f"{cost['device']}, {count_of(cost['threads'], 'thread')}"
    words = (
        f"Not run on all pairs. A step of the whole network on {BATCH} and {BATCH} images of {SIZE}x{SIZE} pixels was "
        f"measured (`{cost['command']}`, {threads}); the pairs above have {steps} steps an epoch together, so the "
        f"{epochs} epochs of `{WHOLE}` with one point of a method and {count_of(seeds, 'seed')} take:"
    )
    rows = [[name, f"{of:.2f}", f"{of * steps * epochs * seeds / 3600:.1f}"] for name, of in cost["seconds"].items()]
    yield (
        f"## What fine-tuning takes\n\n{textwrap.fill(words, 120, break_long_words=False)}\n\n"
        f"{_table(['method', 's a step', 'hours'], rows)}\n\n"
        f"`dta-bench sweep {WHOLE} --benchmark {SUITE} --root DATA --backbone {BACKBONE} --weights FILE "
        f"--method METHODS --training 'image_size=[{SIZE},{SIZE}]' --points 1 --seeds {seeds} --confirm 0`"
    )


def _missing(report: dict[str, Any]) -> Iterator[str]:
    if report["missing"]:
        lines = [
            f"* {one['pair']}{' of ' + one['method'] if one['method'] else ''} ({Path(one['why']).name}): "
            f"`{_without_places(one['command'])}`" for one in report["missing"]
        ]  # fmt: skip
        yield "## Not run\n\n" + "\n".join(lines)


def _without_places(command: str) -> str:
    """A command with the file of weights by its name alone."""
    return " ".join(Path(word).name if word.startswith("/") else word for word in command.split(" "))


def _cell(found: dict[str, Any] | None) -> str:
    return "" if found is None else _with_interval(found["score"], found["interval"])


def _with_interval(score: float | None, interval: list[float] | None) -> str:
    if score is None:
        return ""
    return f"{score:.1f}" + (f" ({interval[0]:.1f} to {interval[1]:.1f})" if interval else "")


def _table(head: list[str], rows: list[list[str]]) -> str:
    return "\n".join(f"| {' | '.join(row)} |" for row in [head, ["---"] * len(head), *rows])


def read(root: str, out: str) -> tuple[dict[str, Any], Runs]:
    """A store's report of the suite, and what its finished runs say of themselves."""
    report, tracker = report_of(root, out), Tracker(sqlite_uri(Path(out) / "mlflow.db"), Path(out))
    found = [
        run for pair in report["pairs"].values() for run in tracker.runs(pair["benchmark"]) if run.status == "FINISHED"
    ]
    times: dict[str, list[float]] = {}
    for run in found:
        times.setdefault(run.spec.method, []).append(run.metrics.get("seconds", 0.0))
    trainings = {run.spec.training.model_copy(update={"batchnorm": {}}).model_dump_json() for run in found}
    if len(trainings) != 1:
        sys.exit(f"the runs have {len(trainings)} trainings, and the page is of one: make pacs in a folder of its own")
    seconds = {name: sum(of) / len(of) for name, of in times.items()}
    labels = sorted({run.spec.label_subset.size for run in found})
    return report, Runs(len(found), Training.model_validate_json(trainings.pop()), seconds, labels)


def main() -> None:
    """Print the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--root", required=True)
    parser.add_argument("--out", default=".")
    parser.add_argument("--fine-tuned", metavar="OTHER", help="the store of runs in which the whole network trained")
    parser.add_argument("--cost", metavar="METHODS", help="measure these, fine-tuned, in place of printing the page")
    asked = parser.parse_args()
    if asked.cost:
        print(json.dumps(cost_of_fine_tuning(asked.cost, asked.root), indent=1))
        return
    cost = json.loads(FINE_TUNED.read_text()) if FINE_TUNED.is_file() else None
    tuned = read(asked.root, asked.fine_tuned) if asked.fine_tuned else None
    print(page(*read(asked.root, asked.out), cost, tuned))


if __name__ == "__main__":
    main()
