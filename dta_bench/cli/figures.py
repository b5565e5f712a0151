"""``dta-bench figures``: draw what a run's network has learned."""

from __future__ import annotations

from typing import Annotated

import typer

from dta_bench.cli.arguments import page_workspace_of
from dta_bench.cli.options import DEFAULT_OUT, DEFAULT_ROOT, Json, Out, Root, To, TrackingUri
from dta_bench.cli.terminal import chatter_on_stderr, print_ending, print_json, same_places


def figures(
    run: Annotated[str, typer.Argument(help="The beginning of a run's identity (its tag run_id) or of its MLflow id.")],
    beside: Annotated[
        str | None, typer.Option(help="Another run to draw beside it. Default: source-only of the same seed.")
    ] = None,
    root: Root = DEFAULT_ROOT,
    out: Out = DEFAULT_OUT,
    to: To = None,
    tracking_uri: TrackingUri = None,
    as_json: Json = False,
) -> None:
    """Draw what a run has learned: t-SNE, Grad-CAM, label maps.

    For classification: t-SNE of the features, and Grad-CAM without and with adversarial dropout.
    For segmentation: strips of label maps. The figures are kept in reports/figures/ of --out, or where --to says, and
    with the MLflow run.
    """
    with chatter_on_stderr() as stdout:
        from dta_bench.report.features.draw import draw_figures

        drawn = draw_figures(run, beside, page_workspace_of(root, out, tracking_uri, to))
        if as_json:
            print_json(drawn.model_dump(), stdout)
        else:
            print(*filter(None, [drawn.note, *drawn.files.values(), drawn.page]), sep="\n", file=stdout)
            places = same_places(out=out, tracking_uri=tracking_uri)
            print_ending("", [f"dta-bench ui{places}  # the run in MLflow"], stdout)
