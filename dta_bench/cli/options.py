"""Options and arguments that several commands share, each with its help."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dta_bench.cli.completion import complete

DEFAULT_ROOT, DEFAULT_OUT = Path("data"), Path()

SearchSpaceName = Annotated[
    str,
    typer.Argument(
        autocompletion=complete("search_space", "benchmark", "suite"),
        help="A search space, or a benchmark that has none; dta-bench list shows both.",
    ),
]

Json = Annotated[bool, typer.Option("--json", help="Print exactly one JSON object on stdout.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print no progress and no notes, only errors and results.")]
OpenPage = Annotated[bool, typer.Option("--open", help="Open the page in a browser.")]
Root = Annotated[Path, typer.Option("--root", envvar="DTA_BENCH_ROOT", help="The folder of the data.")]
Out = Annotated[
    Path,
    typer.Option("--out", envvar="DTA_BENCH_OUT", help="The folder of the runs, the MLflow store and the reports."),
]
To = Annotated[
    Path | None,
    typer.Option("--to", help="The folder for the page and its files. Default: one in reports/ of --out."),
]
TrackingUri = Annotated[
    str | None,
    typer.Option(
        "--tracking-uri",
        envvar="MLFLOW_TRACKING_URI",
        help="The MLflow server or store. Default: an SQLite file in --out.",
    ),
]

OtherBenchmark = Annotated[
    str | None,
    typer.Option(
        "--benchmark", autocompletion=complete("benchmark"), help="Use the search space on another benchmark."
    ),
]
Epochs = Annotated[int | None, typer.Option(min=1, help="Epochs of each run. Default: the search space's.")]
Training = Annotated[
    list[str] | None,
    typer.Option(
        "--training",
        help="A field of the search space's training, as key=value: batch_size=8, crop=[256,512]. May be repeated.",
    ),
]
Tune = Annotated[
    str | None,
    typer.Option(
        help="Which weights train: all, head (on the features of a frozen network), norm (normalisation layers and "
        "biases), or lora (low-rank adapters). Short for --training tune=...",
    ),
]
Budget = Annotated[
    str | None,
    typer.Option(
        help="Training that every run gets, its first stage included: steps=3000 (optimiser steps), flops=1e15, "
        "epochs=20, or steps: those of source_only. Default: the search space's; none for no budget.",
    ),
]
Recipe = Annotated[
    str | None,
    typer.Option(
        "--recipe",
        help="Train as published: published (the recipe of the method, benchmark and --backbone), or a recipe's name. "
        "It brings its backbone, weights, training and parameters; --training and --set change it.",
    ),
]
Weights = Annotated[
    str, typer.Option(help="Weights to start from: none, hub (downloads the backbone's pretrained weights), or a file.")
]
Labels = Annotated[
    int | None, typer.Option(min=1, help="Size of the labelled subset. Default: the search space's or the benchmark's.")
]
LabelsSeed = Annotated[
    int | None, typer.Option(min=0, help="Seed that draws the labelled subset. Default: the search space's or 0.")
]
LabelsDrawn = Annotated[
    str | None,
    typer.Option(help="How the labelled subset is drawn: random, or stratified by class (which itself uses labels)."),
]
SkipUnreadable = Annotated[
    bool, typer.Option("--skip-unreadable", help="Leave out images that cannot be read, and name them.")
]
KeepNetwork = Annotated[
    bool,
    typer.Option("--keep-network", help="Keep the final network even above 4 MiB; predict and figures need it."),
]
KeepNetworks = Annotated[
    str | None,
    typer.Option(
        help="Final networks to keep: chosen (each method's best configuration), all, or none. Default: chosen."
    ),
]
