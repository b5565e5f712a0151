"""``train``: one configuration."""

from __future__ import annotations

from typing import Annotated

import typer

from dta_bench.cli.arguments import chosen, home_of, options_of, plan_of
from dta_bench.cli.options import (
    DATA,
    HERE,
    Json,
    Keep,
    LabelsDrawn,
    LabelsSeed,
    On,
    Out,
    Quiet,
    Root,
    Skip,
    Space,
    TrainingOptions,
    Uri,
)
from dta_bench.cli.terminal import chatter_on_stderr, print_json, stderr_console
from dta_bench.spec.spelling import spell_metric


def train(
    name: Space,
    backbone: Annotated[str | None, typer.Option(help="Default: the file's first.")] = None,
    method: Annotated[str | None, typer.Option(help="Default: the file's.")] = None,
    set_: Annotated[list[str] | None, typer.Option("--set", help="A parameter of the method, as key=value.")] = None,
    seed: Annotated[int, typer.Option(min=0)] = 0,
    epochs: Annotated[int | None, typer.Option(min=1)] = None,
    labels: Annotated[int | None, typer.Option(min=1, help="Size of the labelled target subset.")] = None,
    labels_seed: LabelsSeed = None,
    labels_drawn: LabelsDrawn = None,
    weights: Annotated[str, typer.Option(help="none, hub, or a file.")] = "none",
    training: TrainingOptions = None,
    benchmark: On = None,
    skip_unreadable: Skip = False,
    keep_network: Keep = False,
    quiet: Quiet = False,
    root: Root = DATA,
    out: Out = HERE,
    tracking_uri: Uri = None,
    as_json: Json = False,
) -> None:
    """Train one configuration and measure it; an interrupted run goes on where it stopped."""
    from dta_bench.run.train_one import train_one

    options = options_of(backbone, method, None, None, epochs, labels, weights, training)
    options = chosen(options, labels_seed, labels_drawn)
    with chatter_on_stderr() as stdout:
        plan = plan_of(name, options, benchmark)
        found = train_one(
            plan,
            set_ or [],
            seed,
            home_of(root, out, tracking_uri, skip_unreadable, keep_network),
            stderr_console(quiet),
        )
    if as_json:
        print_json(found, stdout)
    else:
        metrics = [metric for metric in ("miou", "accuracy", "mean_class_accuracy") if metric in found["test"]]
        scores = ", ".join(f"{spell_metric(metric)} {found['test'][metric]:.1f} %" for metric in metrics)
        print(f"{found['name']}: target test {scores} (last epoch, seed {seed})", file=stdout)
