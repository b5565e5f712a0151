"""``dta-bench check``: hold a plug-in or a cluster file to its contract."""

from __future__ import annotations

from typing import Annotated

import typer

from dta_bench.cli import endings
from dta_bench.cli.arguments import refuse_unused
from dta_bench.cli.options import DEFAULT_ROOT, Json, Root
from dta_bench.cli.terminal import chatter_on_stderr, print_ending, print_json, same_places


def check(
    context: typer.Context,
    kind: Annotated[str, typer.Argument(help="backbone, method, benchmark, search-space or cluster.")],
    name: Annotated[str, typer.Argument(help="The plug-in's name; for cluster, a file.")],
    root: Root = DEFAULT_ROOT,
    as_json: Json = False,
) -> None:
    """Check one plug-in, or a cluster file, against its contract.

    Prints what holds and what fails, each as a sentence. The status is 2 if anything fails.
    --root is for a benchmark, whose data are checked too if they are there.
    """
    with chatter_on_stderr() as stdout:
        from dta_bench.check import KINDS
        from dta_bench.check import check as run_check
        from dta_bench.domains import typed_paths

        if kind in KINDS and kind != "benchmark":
            refuse_unused(context, ["--root"], f"on a check of a {kind}")
        findings = run_check(kind, name, typed_paths.absolute(root))
        if as_json:
            print_json({"kind": kind, "name": name} | vars(findings), stdout)
        else:
            count = f"{kind} {name}: {len(findings.holds)} hold, {len(findings.fails)} fail"
            print(findings, count, sep="\n", file=stdout)
            following = endings.after_check(kind, name, bool(findings.fails), same_places(root=root))
            print_ending("", following, stdout)
    if findings.fails:
        raise typer.Exit(2)
