"""``dta-bench train``: train one configuration."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from dta_bench.cli import endings
from dta_bench.cli.arguments import options_of, plan_of, refuse_identity, workspace_of
from dta_bench.cli.completion import complete
from dta_bench.cli.options import (
    DEFAULT_OUT,
    DEFAULT_ROOT,
    Budget,
    Epochs,
    Json,
    KeepNetwork,
    Labels,
    LabelsDrawn,
    LabelsSeed,
    OtherBenchmark,
    Out,
    Quiet,
    Recipe,
    Root,
    SearchSpaceName,
    SkipUnreadable,
    TrackingUri,
    Training,
    Tune,
    Weights,
)
from dta_bench.cli.terminal import chatter_on_stderr, print_ending, print_json, same_places, stderr_console
from dta_bench.errors import UserError
from dta_bench.spec.spelling import spell_metric

if TYPE_CHECKING:
    from dta_bench.run.workspace import Keep


def train(
    name: SearchSpaceName,
    backbone: Annotated[
        str | None,
        typer.Option(autocompletion=complete("backbone"), help="The backbone. Default: the search space's first."),
    ] = None,
    method: Annotated[
        str | None, typer.Option(autocompletion=complete("method"), help="The method. Default: the search space's.")
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", help="A parameter of the method, as key=value: lambda_2=0.02. May be repeated."),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="The seed of the run.")] = 0,
    epochs: Epochs = None,
    labels: Labels = None,
    labels_seed: LabelsSeed = None,
    labels_drawn: LabelsDrawn = None,
    weights: Weights = "none",
    training: Training = None,
    tune: Tune = None,
    recipe: Recipe = None,
    budget: Budget = None,
    benchmark: OtherBenchmark = None,
    skip_unreadable: SkipUnreadable = False,
    keep_network: KeepNetwork = False,
    repeats: Annotated[
        str,
        typer.Option(
            autocompletion=complete("run"),
            help="The identity of the run that this command trains again; of options, measure_every alone may differ.",
        ),
    ] = "",
    quiet: Quiet = False,
    root: Root = DEFAULT_ROOT,
    out: Out = DEFAULT_OUT,
    tracking_uri: TrackingUri = None,
    as_json: Json = False,
) -> None:
    """Train one configuration and measure it on target test.

    The same command continues an interrupted run, and prints the result of a finished one again.
    """
    from dta_bench.report.weak_runs import weak_run_sentences
    from dta_bench.spec import recipe as recipes
    from dta_bench.sweep.train_one import train_one

    refuse_identity(name, "train")
    if method == "all":
        raise UserError("train runs one method; --method all is for dta-bench sweep")
    options = options_of(
        backbone=[backbone] if backbone else None, method=[method] if method else None, epochs=epochs,
        weights=weights, training=training, tune=tune, recipe=recipe, budget=budget, labels=labels,
        labels_seed=labels_seed, labels_drawn=labels_drawn,
    )  # fmt: skip
    with chatter_on_stderr() as stdout:
        plan = plan_of(name, options, benchmark, root)
        keep: Keep = "all" if keep_network else "small"
        followed = recipes.changed(plan.recipe) if plan.recipe and settings else plan.recipe
        workspace = workspace_of(
            root, out, tracking_uri, skip_unreadable=skip_unreadable, keep_networks=keep, recipe=followed
        )
        if followed:
            stderr_console(quiet).print(recipes.describe(followed), highlight=False, soft_wrap=True, markup=False)
        found = train_one(plan, settings or [], seed, workspace, stderr_console(quiet), repeats)
        said = weak_run_sentences(found, plan.benchmark)
        if as_json:
            print_json(found | {"warnings": said}, stdout)
        else:
            where, measured = "target test", found["test"]
            if measured is None:
                where, measured = "no labelled target test; held-out source images", found["source_validation"]
            metrics = [metric for metric in ("miou", "accuracy", "mean_class_accuracy") if metric in measured]
            scores = ", ".join(f"{spell_metric(metric)} {measured[metric]:.1f} %" for metric in metrics)
            print("\n".join([f"{found['name']}: {where} {scores}, at the last epoch", *said]), file=stdout)
            places = same_places(out=out, tracking_uri=tracking_uri)
            made = f"Run {found['run_id']}, with dta-bench ui{places} at {found['link']}"
            to = "" if not found["has_network"] else "maps" if "miou" in measured else "predictions.csv"
            benchmark = found["spec"]["benchmark"]
            following = endings.after_train(found["run_id"], benchmark, found["not_in_report"], to, places)
            print_ending(made, [] if quiet else following, stdout)
