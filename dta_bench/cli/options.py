"""Options that several commands share, each with its help."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Json = Annotated[bool, typer.Option("--json", help="Print exactly one JSON object on stdout.")]
Root = Annotated[Path, typer.Option("--root", envvar="DTA_BENCH_ROOT", help="Where data lies.")]
Out = Annotated[Path, typer.Option("--out", envvar="DTA_BENCH_OUT", help="Where runs, store and reports go.")]
Uri = Annotated[
    str | None,
    typer.Option(
        "--tracking-uri", envvar="MLFLOW_TRACKING_URI", help="MLflow server or store; default: sqlite in --out."
    ),
]
Keep = Annotated[
    bool, typer.Option("--keep-network", help="Keep the final network also above 4 MiB, for dta-bench figures.")
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress and no notes; errors and results alone.")]
Space = Annotated[str, typer.Argument(help="A search space, or a benchmark that has none; dta-bench list names them.")]
On = Annotated[str | None, typer.Option("--benchmark", help="Run the search space on another benchmark.")]
Skip = Annotated[bool, typer.Option("--skip-unreadable", help="Leave images out that cannot be read, and name them.")]
TrainingOptions = Annotated[
    list[str] | None,
    typer.Option("--training", help="A field of the file's training, as key=value: batch_size=8, crop=[256,512]."),
]
LabelsSeed = Annotated[int | None, typer.Option(min=0, help="Seed that draws the labelled subset. Default: 0.")]
LabelsDrawn = Annotated[str | None, typer.Option(help="random, or stratified by class (a use of labels).")]
DATA, HERE = Path("data"), Path()
