"""``dta-bench predict``: predict new images by a run's network."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TextIO

import typer

from dta_bench.cli import endings
from dta_bench.cli.arguments import refuse_unused, workspace_of
from dta_bench.cli.options import DEFAULT_OUT, DEFAULT_ROOT, Json, Out, Quiet, Root, TrackingUri
from dta_bench.cli.terminal import chatter_on_stderr, print_ending, print_json, same_places, stderr_console
from dta_bench.errors import UserError

if TYPE_CHECKING:
    from rich.console import Console

    from dta_bench.report.predictions.command import Predicted
    from dta_bench.report.predictions.images_to_predict import NamedImage
    from dta_bench.report.predictions.predictor import Predictor, Views
    from dta_bench.report.predictions.sinks import RowSink
    from dta_bench.report.predictions.truth import Truth


def predict(
    context: typer.Context,
    words: Annotated[
        list[str],
        typer.Argument(
            metavar="[RUN] IMAGES...",
            help="The beginning of a run's identity (or a file network.safetensors), then what to predict: folders,"
            " lists of paths, image files. With --best all are images.",
        ),
    ],
    best: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Predict by what is chosen of this benchmark or search space; baselines such as source_only are not.",
        ),
    ] = None,
    select: Annotated[
        str | None,
        typer.Option(
            help="With --best: the selection rule that chooses; dta-bench list rules has them. Default: as in report."
        ),
    ] = None,
    to: Annotated[
        Path | None,
        typer.Option(help="A file (.csv, .parquet), or for label maps a folder. Default: CSV on stdout."),
    ] = None,
    probabilities: Annotated[
        bool, typer.Option("--probabilities", help="A further column for each class: its probability.")
    ] = False,
    tta: Annotated[
        str, typer.Option(help="none, or flip: the mean over each image and its mirror image (not the run's own way).")
    ] = "none",
    truth: Annotated[
        Path | None,
        typer.Option(
            help="Labels of the images, if you have them: a table path,class (or path,mask), or a labelled folder, in"
            " the current folder, else in --root. Says how good the predictions are, and between which scores one run"
            " is expected to be."
        ),
    ] = None,
    quiet: Quiet = False,
    root: Root = DEFAULT_ROOT,
    out: Out = DEFAULT_OUT,
    tracking_uri: TrackingUri = None,
    as_json: Json = False,
) -> None:
    """Predict images by a run's network, or a rule's choice.

    One row per image, in sorted order: path, class, probability. Label maps go to a folder, as indexed PNG files at
    each image's own size. Files that cannot be read are named on stderr and have no row; the status is 1 if none could
    be read.
    """
    if best is None:
        refuse_unused(context, ["--select"], "without --best")
    if tta not in ("none", "flip"):
        raise UserError(f"--tta {tta} is not known; it takes none or flip")
    if as_json and to is None:
        raise UserError("stdout takes one form at a time: with --json the rows need a file, --to FILE")
    if best is None and len(words) < 2:
        raise UserError("predict takes a run and then images, or --best NAME and images")
    with chatter_on_stderr() as stdout:
        from dta_bench.report.predictions import command, further_images
        from dta_bench.report.predictions.images_to_predict import find_images
        from dta_bench.report.predictions.predictor import Predictor
        from dta_bench.report.predictions.truth import read_truth

        console = stderr_console(quiet)
        images = find_images(words if best is not None else words[1:])
        workspace = workspace_of(root, out, tracking_uri, reads_only=True)
        if best is None:
            network = command.named_network(words[0], workspace)
        else:
            network = command.best_network(best, select, workspace)
        loaded = network.loaded
        labels = None if truth is None else read_truth(truth, loaded.card, images, Path(workspace.root))
        views: Views = "flip" if tta == "flip" else "none"
        predictor = Predictor(loaded, views)
        if predictor.predicts_maps:
            refuse_unused(context, ["--probabilities"], "on label maps")
            found = _to_maps(predictor, images, to, labels, console)
        else:
            found = _to_rows(predictor, images, to, probabilities, labels, stdout, console)
        problem_free = bool(found.images) and not found.unreadable
        command.print_outcome(found, network.what, stderr_console(quiet and problem_free))
        compared = None
        if labels is not None:
            tracker = None if network.run is None else workspace.tracker()
            compared = further_images.compare(labels, tracker, network.run, select)
            command.print_lines(further_images.describe(compared), stderr_console(quiet))
        if as_json:
            summary = {
                "run_id": loaded.card.run_spec.id, "classes": predictor.classes, "images": found.images,
                "unreadable": found.unreadable, "to": str(to),
                "truth": None if compared is None else compared.model_dump(),
            }  # fmt: skip
            print_json(summary, stdout)
        elif to is not None and found.images and not quiet:
            places = same_places(out=out, tracking_uri=tracking_uri)
            following = endings.after_predict(loaded.card.run_spec.id, labels is not None, places)
            print_ending(f"Predictions: {to}", following, stdout)
    if not found.images:
        raise typer.Exit(1)


def _to_maps(
    predictor: Predictor, images: list[NamedImage], to: Path | None, labels: Truth | None, console: Console
) -> Predicted:
    from dta_bench.domains import typed_paths
    from dta_bench.report.predictions import command
    from dta_bench.report.predictions.sinks import MapFolder
    from dta_bench.report.predictions.truth import CountedMaps

    if to is None:
        raise UserError("label maps are pictures and do not go to stdout; say with --to FOLDER where they go")
    folder = MapFolder(typed_paths.absolute(to), images, predictor.classes)
    return command.predict_maps(predictor, images, folder if labels is None else CountedMaps(folder, labels), console)


def _to_rows(
    predictor: Predictor, images: list[NamedImage], to: Path | None, probabilities: bool, labels: Truth | None,
    stdout: TextIO, console: Console,
) -> Predicted:  # fmt: skip
    from dta_bench.domains import typed_paths
    from dta_bench.report.predictions import command
    from dta_bench.report.predictions.sinks import CsvRows, FileRows
    from dta_bench.report.predictions.truth import CountedRows

    def counted(sink: RowSink) -> RowSink:
        return sink if labels is None else CountedRows(sink, labels)

    if to is not None:
        sink = FileRows(typed_paths.absolute(to), predictor.classes, probabilities)
        return command.predict_rows(predictor, images, counted(sink), console)
    utf8 = io.TextIOWrapper(stdout.buffer, encoding="utf-8", newline="", write_through=True)
    try:
        rows = CsvRows(utf8, predictor.classes, probabilities)
        return command.predict_rows(predictor, images, counted(rows), console)
    finally:
        utf8.detach()
