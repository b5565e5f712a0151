"""``profile``: what a step, an image or a card's memory costs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dta_bench.cli.arguments import options_of, plan_of
from dta_bench.cli.options import DATA, Json, Root
from dta_bench.cli.terminal import chatter_on_stderr, console, print_json
from dta_bench.errors import UserError


def profile(
    name: Annotated[
        list[str],
        typer.Argument(metavar="NAME | data NAME | memory NAME", help="A search space; after data, a benchmark."),
    ],
    backbone: Annotated[str | None, typer.Option(help="Default: the file's first.")] = None,
    method: Annotated[list[str] | None, typer.Option(help="Default: dta and dta_released.")] = None,
    batch: Annotated[int, typer.Option(min=2, help="Images of each domain.")] = 8,
    image_size: Annotated[int | None, typer.Option(min=8, help="Default: the benchmark's.")] = None,
    rounds: Annotated[int, typer.Option(min=1, help="Steps timed for each row, interleaved.")] = 5,
    trace: Annotated[bool, typer.Option("--trace", help="Say also by which operators time and FLOPs part.")] = False,
    images: Annotated[int, typer.Option(min=2, help="With data: how many of each domain.")] = 256,
    workers: Annotated[int, typer.Option(min=0, help="With data: processes that read ahead.")] = 1,
    root: Root = DATA,
    as_json: Json = False,
) -> None:
    """Measure a step: FLOPs, time, images a second, memory, shares of the terms; random input, no data needed.

    With data: what an image costs from its file to the step, and how long a ResNet-18 waits for its batches.
    With memory: which steps fit which card, without computing any.
    """
    if name[0] == "memory":
        _profile_memory(name[1:], backbone, method, image_size, as_json)
        return
    if name[0] == "data":
        _profile_data(name[1:], backbone, batch, images, workers, root, rounds, as_json)
        return
    with chatter_on_stderr() as stdout:
        from dta_bench.cost.step_table import costs, show_costs, show_traces, traced

        plan = plan_of(
            _only(name), options_of(backbone, method or ["dta", "dta_released"], None, None, None, None, "none")
        )
        found = costs(plan, batch, image_size, rounds)
        if trace:
            found["traces"] = traced(plan, batch, image_size, rounds)
        if as_json:
            print_json(found, stdout)
        else:
            show_costs(found, console(stdout))
            show_traces(found.get("traces", []), console(stdout))


def _profile_data(
    name: list[str], backbone: str | None, batch: int, images: int, workers: int, root: Path, rounds: int, as_json: bool
) -> None:
    with chatter_on_stderr() as stdout:
        from dta_bench.cost import data

        found = data.data_costs(_only(name), root.expanduser().resolve(), backbone, batch, images, workers, rounds)
        if as_json:
            print_json(found, stdout)
        else:
            data.show(found, console(stdout))


def _profile_memory(
    name: list[str], backbone: str | None, method: list[str] | None, image_size: int | None, as_json: bool
) -> None:
    with chatter_on_stderr() as stdout:
        from dta_bench.cost import memory_table

        plan = plan_of(_only(name), options_of(backbone, method or ["dta"], None, None, None, None, "none"))
        found = memory_table.memory_costs(plan, image_size)
        if as_json:
            print_json(found, stdout)
        else:
            memory_table.show(found, console(stdout))


def _only(names: list[str]) -> str:
    if len(names) != 1:
        raise UserError(f"profile takes one name, alone or after data or memory; {len(names)} came")
    return names[0]
