"""``dta-bench export``: write a run's network for other programs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dta_bench.cli import endings
from dta_bench.cli.arguments import workspace_of
from dta_bench.cli.options import DEFAULT_OUT, DEFAULT_ROOT, Json, Out, Root, TrackingUri
from dta_bench.cli.terminal import chatter_on_stderr, print_ending, print_json, same_places


def export(
    run: Annotated[
        str,
        typer.Argument(help="The beginning of a run's identity or of its MLflow id, or a file network.safetensors."),
    ],
    to: Annotated[str, typer.Option(help="onnx, torchscript, safetensors, timm, or mlflow.")],
    images: Annotated[
        list[str] | None,
        typer.Argument(help="Images to check it on: folders, lists, files. Default: some of the target under --root."),
    ] = None,
    file: Annotated[
        Path | None, typer.Option(help="Where to; for mlflow a folder. Default: named after the run, here.")
    ] = None,
    root: Root = DEFAULT_ROOT,
    out: Out = DEFAULT_OUT,
    tracking_uri: TrackingUri = None,
    as_json: Json = False,
) -> None:
    """Export a run's network, with a model card beside it.

    What was written is read back, and its logits on real images must agree with those of the network to 1e-4.
    --to mlflow makes a model that mlflow models predict and serve take: one input column, path.
    """
    with chatter_on_stderr() as stdout:
        from dta_bench.report.predictions.export_run import export_run

        workspace = workspace_of(root, out, tracking_uri, reads_only=True)
        written = export_run(run, to, file, images or [], workspace)
        if as_json:
            print_json(written.model_dump(), stdout)
        else:
            agreement = f"checked on {written.images} images, largest difference {written.largest_difference:.1e}"
            print(f"{written.path} ({agreement})", written.card, sep="\n", file=stdout)
            places = same_places(out=out, tracking_uri=tracking_uri)
            print_ending("", endings.after_export(written.run_id, to, written.path, places), stdout)
