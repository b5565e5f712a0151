"""A static leaderboard from archives: one HTML file that needs no network and no server."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from dta_bench import plugins
from dta_bench.data.benchmark_plugin import benchmark_of
from dta_bench.errors import UserError
from dta_bench.report.archive.manifest import MANIFEST, Manifest, read_manifest
from dta_bench.report.archive.merge import read_rows
from dta_bench.report.archive.weights import BY_CONTENTS
from dta_bench.report.configurations import all_but_seed
from dta_bench.report.html.page import render
from dta_bench.spec.run_spec import RunSpec
from dta_bench.spec.seeds import is_confirmation
from dta_bench.spec.spelling import count_of, spell_metric
from dta_bench.spec.train_command import train_command
from dta_bench.tracking.imported_runs import FinishedElsewhere

HEAD = ("benchmark", "method", "score", "spread", "seeds", "kind", "metric", "backbone", "weights", "who")
NUMERIC = [name in ("score", "spread", "seeds") for name in HEAD]
FRESH, OF_THE_SEARCH = "fresh", "of the search"
Published = tuple[Manifest, FinishedElsewhere]


def find_archives(folder: Path) -> list[Path]:
    """The archives that lie in a folder, at any depth."""
    return sorted(path.parent for path in folder.rglob(MANIFEST))


def write_site(archives: Sequence[Path], folder: Path) -> int:
    """Write ``index.html``; returns how many rows it has.

    Raises:
        UserError: there is no archive, or one cannot be read.
    """
    if not archives:
        raise UserError(f"there is no archive in {folder}; name some, or put them there (dta-bench publish makes them)")
    manifests = [read_manifest(one) for one in archives]
    published = [(m, run) for m, one in zip(manifests, archives, strict=True) for run in read_rows(one)]
    rows = [_row(group) for group in _configurations(published)]
    rows.sort(key=_place)
    text = render(
        "site.html", title="Results", answer=_answer(published, rows), head=HEAD, numeric=NUMERIC, rows=rows,
        archives=manifests, notes=[
            "A row is one configuration. Its score is the mean over its fresh seeds where it has some, else over the "
            "seeds of the search, which show what they chose better than it is; such rows stand below the others of "
            "their benchmark. The spread is the standard deviation over the same seeds. Rows of one benchmark may "
            "differ in training and in the labelled subset; their specs say how. No test is made here: dta-bench merge "
            "and dta-bench report compare runs.",
            *_weights_of_files(published),
            *_disagreements(published),
        ],
    )  # fmt: skip
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "index.html").write_text(text, encoding="utf-8")
    return len(rows)


def _place(row: dict[str, Any]) -> tuple[str, bool, float]:
    """Where a row stands: by benchmark, fresh seeds before those of the search, the highest score first."""
    cells = dict(zip(HEAD, row["cells"], strict=True))
    return cells["benchmark"], cells["kind"] != FRESH, -float(cells["score"] or -1)


def _answer(published: Sequence[Published], rows: Sequence[dict[str, Any]]) -> str:
    benchmarks = {run.spec.benchmark for _, run in published}
    who = {manifest.name for manifest, _ in published}
    return (
        f"{count_of(len(rows), 'configuration')} of {count_of(len(published), 'run')} on "
        f"{count_of(len(benchmarks), 'benchmark')}, published by "
        f"{', '.join(sorted(who))}. Every row links to its runs, their specs and the command that repeats each."
    )


def _weights_of_files(published: Sequence[Published]) -> list[str]:
    """A sentence where runs started from weights of a file; none without any."""
    if not any(run.spec.weights.startswith(BY_CONTENTS) for _, run in published):
        return []
    return [
        f"Weights named {BY_CONTENTS} and digits are a file, named by the first digits of the SHA-256 of its contents; "
        "in a command, write the path of your copy."
    ]


def _disagreements(published: Sequence[Published]) -> list[str]:
    """A sentence on runs that two archives have with other scores; none without any."""
    by_run: dict[str, list[Published]] = {}
    for manifest, run in published:
        by_run.setdefault(run.spec.id, []).append((manifest, run))
    disputed = [
        f"{run.spec.benchmark} {run.name}: {first.name} {one:.2f} %, {manifest.name} {other:.2f} %"
        for (first, ours), *others in by_run.values() for manifest, run in others
        if (one := _score(ours, _headline(ours))) is not None
        and (other := _score(run, _headline(run))) is not None and one != other
    ]  # fmt: skip
    if not disputed:
        return []
    return [f"Two archives have different scores for one run; its row shows that of the first: {'; '.join(disputed)}."]


def _configurations(published: Iterable[Published]) -> list[list[Published]]:
    """Runs that differ in the seed alone; one run in two archives counts once, the first."""
    groups: dict[str, dict[str, Published]] = {}
    for manifest, run in published:
        groups.setdefault(all_but_seed(run.spec), {}).setdefault(run.spec.id, (manifest, run))
    return [list(group.values()) for group in groups.values()]


def _row(group: Sequence[Published]) -> dict[str, Any]:
    fresh = [one for one in group if is_confirmation(one[1].spec.seed)]
    shown = sorted(fresh or group, key=lambda one: one[1].spec.seed)
    spec, metric = shown[0][1].spec, _headline(shown[0][1])
    scores = [score for _, run in shown if (score := _score(run, metric)) is not None]
    spread = f"{np.std(scores, ddof=1):.1f}" if len(scores) > 1 else ""
    who = ", ".join(sorted({manifest.name for manifest, _ in shown}))
    params = " ".join(f"{key}={value}" for key, value in spec.params.items())
    cells = [
        spec.benchmark, spec.method, f"{np.mean(scores):.1f}" if scores else "", spread, str(len(shown)),
        FRESH if fresh else OF_THE_SEARCH, spell_metric(metric), spec.backbone, spec.weights, who,
    ]  # fmt: skip
    anchor = hashlib.sha256(" ".join(run.spec.id for _, run in group).encode()).hexdigest()[:12]
    return {
        "anchor": f"row-{anchor}",
        "cells": cells,
        "params": params,
        "runs": [_run(m, run, metric) for m, run in shown],
    }


def _run(manifest: Manifest, run: FinishedElsewhere, metric: str) -> dict[str, Any]:
    score = _score(run, metric)
    return {
        "id": run.spec.id, "seed": run.spec.seed, "who": manifest.name,
        "score": "no labelled test" if score is None else f"{score:.2f} %", "command": _command(run.spec, metric),
        "spec": json.dumps(run.spec.to_dict(), indent=1, sort_keys=True),
    }  # fmt: skip


def _command(spec: RunSpec, metric: str) -> str:
    return train_command(spec, "segmentation" if metric == "miou" else "classification")


def _headline(run: FinishedElsewhere) -> str:
    """The metric of a run's benchmark; of one that is not here mean IoU if it has that, else accuracy."""
    if plugins.is_benchmark(run.spec.benchmark):
        return benchmark_of(run.spec.benchmark).headline
    return "miou" if "test/miou" in run.curves else "accuracy"


def _score(run: FinishedElsewhere, metric: str) -> float | None:
    values = run.curves.get(f"test/{metric}", ([], []))[1]
    return values[-1] if values else None
