"""``dta-bench label``: draw target images to label, and read the filled list back."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from dta_bench.cli import endings
from dta_bench.cli.arguments import workspace_of
from dta_bench.cli.options import DEFAULT_OUT, DEFAULT_ROOT, Json, Out, Root, TrackingUri
from dta_bench.cli.terminal import chatter_on_stderr, print_ending, print_json, same_places


def label(
    name: Annotated[str, typer.Argument(help="A pair of your own whose target has no labels.")],
    budget: Annotated[int | None, typer.Option(min=1, help="How many images to label. Default: 100.")] = None,
    drawn: Annotated[
        str | None,
        typer.Option(help="random, or predicted: of each class the share that a run predicts. Default: random."),
    ] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Seed of the draw. Default: 0.")] = None,
    run: Annotated[
        str | None,
        typer.Option(help="For --drawn predicted: the run that predicts. Default: what the default rule chooses."),
    ] = None,
    to: Annotated[Path | None, typer.Option(help="The list. Default: NAME.labels.csv in --root.")] = None,
    root: Root = DEFAULT_ROOT,
    out: Out = DEFAULT_OUT,
    tracking_uri: TrackingUri = None,
    as_json: Json = False,
) -> None:
    """Draw target images to label, and read the labels back.

    The first call writes a list with an empty column, how it was drawn, and a page that shows each image with its path.
    Fill the column in and call again: the list is checked, row by row, as a sweep will read it.
    """
    with chatter_on_stderr() as stdout:
        from dta_bench.domains import typed_paths
        from dta_bench.report.labelling.command import label as draw_or_read

        workspace = workspace_of(root, out, tracking_uri, reads_only=True)
        target = typed_paths.absolute(to) if to else None
        found = draw_or_read(name, budget, drawn, seed, run, target, workspace)
        if as_json:
            print_json(found, stdout)
        else:
            print("\n".join(_as_lines(found)), file=stdout)
            places = same_places(root=root, out=out, tracking_uri=tracking_uri)
            print_ending("", endings.after_label(name, "counts" not in found, places), stdout)


def _as_lines(found: dict[str, Any]) -> list[str]:
    if "counts" in found:
        counts = ", ".join(f"{name} {count}" for name, count in found["counts"].items())
        lines = [f"{found['list']}: {counts}", *[f"note: {note}" for note in found["notes"]]]
    else:
        by = f"by the predictions of {found['run']}" if found["run"] else "at random"
        lines = [
            f"{found['list']}: {len(found['paths'])} of {found['of']} images, drawn {by}, seed {found['seed']}",
            f"{found['contact_sheet']} shows them; fill in the second column, then call this command again",
            *[f"note: {path} cannot be read" for path in found["unreadable"]],
            *([found["worth"]] if found["worth"] else []),
        ]
    return [*lines, f"Write into the pair's file, under target: {found['yaml']}"]
