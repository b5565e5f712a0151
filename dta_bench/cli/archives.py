"""``dta-bench publish``, ``merge`` and ``site``: results as archives that others can add to."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dta_bench.cli import endings
from dta_bench.cli.arguments import workspace_of
from dta_bench.cli.options import DEFAULT_OUT, DEFAULT_ROOT, Json, Out, TrackingUri
from dta_bench.cli.terminal import chatter_on_stderr, print_ending, print_json, same_places
from dta_bench.spec.spelling import count_of


def publish(
    name: Annotated[str, typer.Argument(help="A benchmark, a search space or a suite.")],
    to: Annotated[
        str,
        typer.Option("--to", metavar="FOLDER|hf:USER/NAME", help="The archive's folder, or a data set of the hub."),
    ],
    by: Annotated[str, typer.Option("--by", help="Who publishes; it stands beside each run after a merge.")],
    licence: Annotated[str, typer.Option(help="The licence of the results, as SPDX spells it.")] = "CC-BY-4.0",
    out: Out = DEFAULT_OUT,
    tracking_uri: TrackingUri = None,
    as_json: Json = False,
) -> None:
    """Write the finished runs as an archive that others can merge.

    One parquet file of runs (spec, scores of each epoch, predictions, versions, fingerprints) and a manifest. It holds
    no commands, hosts, credentials or places; runs that name one are left out and counted. With --to hf:USER/NAME it
    becomes a public data set on the Hugging Face hub, with the token in HF_TOKEN or of hf auth login.
    """
    with chatter_on_stderr() as stdout:
        from dta_bench.report.archive.names import benchmarks_of
        from dta_bench.report.archive.publish import publish_to

        workspace = workspace_of(DEFAULT_ROOT, out, tracking_uri, reads_only=True)
        tracker = workspace.tracker()
        tracker.check_address()
        manifest, address = publish_to(to, tracker, benchmarks_of(name), by, licence)
    if as_json:
        print_json(manifest.model_dump() | {"address": address}, stdout)
        return
    counted = f"{count_of(manifest.runs, 'run')} of {count_of(len(manifest.benchmarks), 'benchmark')}"
    print(f"{address}: {counted}, {manifest.licence}", file=stdout)
    for reason, count in manifest.left_out.items():
        print(f"left out: {count} {reason}", file=stdout)
    print_ending("", endings.after_publish(address, to), stdout)


def merge(
    archives: Annotated[list[str], typer.Argument(help="Folders that dta-bench publish wrote, or hf:USER/NAME.")],
    out: Out = DEFAULT_OUT,
    tracking_uri: TrackingUri = None,
    as_json: Json = False,
) -> None:
    """Add the runs of archives to the store in --out.

    There report reads them like any others.
    Each archive is checked first, and nothing is added if one is damaged. A run that is there already is counted; if
    the two have different scores or fingerprints, both are shown and the one that was there stays.
    """
    with chatter_on_stderr() as stdout:
        from dta_bench.report.archive.merge import describe_disagreement, merge_archives
        from dta_bench.report.archive.publish import folder_of

        folders = [folder_of(one) for one in archives]
        tracker = workspace_of(DEFAULT_ROOT, out, tracking_uri).tracker()
        tracker.check()
        merged = merge_archives(folders, tracker)
    if as_json:
        print_json(vars(merged), stdout)
        return
    for who, count in merged.added.items():
        print(f"added: {count_of(count, 'run')} of {who}", file=stdout)
    for who, count in merged.duplicates.items():
        print(f"there already, with the same scores: {count_of(count, 'run')} of {who}", file=stdout)
    for benchmark, count in merged.unknown.items():
        print(
            f"left out: {count_of(count, 'run')} of {benchmark}, which is no benchmark here; put its file here first",
            file=stdout,
        )
    for one in merged.disagreements:
        what = f"{one['benchmark']} {one['name']} ({one['run_id']})"
        print(f"disagreement on {what}: {describe_disagreement(one)}", file=stdout)
    places = same_places(out=out, tracking_uri=tracking_uri)
    print_ending("", endings.after_merge(tracker.experiments(), places), stdout)


def site(
    folder: Annotated[Path, typer.Argument(help="The folder of the site; index.html is written there.")],
    archives: Annotated[
        list[str] | None,
        typer.Argument(help="Folders that dta-bench publish wrote, or hf:USER/NAME. Default: those in FOLDER."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Make a static leaderboard of archives.

    One HTML file without network or server, with a table to sort and filter; each row has an address of its own, and
    leads to its runs, their specs and the command that repeats each.
    """
    with chatter_on_stderr() as stdout:
        from dta_bench.domains import typed_paths
        from dta_bench.report.archive.publish import folder_of
        from dta_bench.report.archive.site import find_archives, write_site

        into = typed_paths.absolute(folder)
        chosen = [folder_of(one) for one in archives] if archives else find_archives(into)
        rows = write_site(chosen, into)
    if as_json:
        print_json({"page": str(into / "index.html"), "archives": len(chosen), "rows": rows}, stdout)
    else:
        made = f"{into / 'index.html'}: {count_of(rows, 'row')} of {count_of(len(chosen), 'archive')}"
        print_ending(made, endings.after_site(str(folder)), stdout)
