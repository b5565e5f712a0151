"""``dta-bench cluster``: a sweep as a job of a batch system, and data for rented machines."""

from __future__ import annotations

import inspect
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from dta_bench.cli.arguments import options_of, plan_of, refuse_unused
from dta_bench.cli.shards import pack_data, unpack_data
from dta_bench.cli.terminal import chatter_on_stderr
from dta_bench.cli.value_names import Command
from dta_bench.errors import UserError

if TYPE_CHECKING:
    from dta_bench.sweep.slurm_job import SlurmJob

cluster = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Sweep as a job of a batch system; pack data for rented machines.\n\nWhat else a cluster needs:"
    " docs/cluster.md.",
    epilog="Example: dta-bench cluster slurm --nodes 4 --gpus 4 --time 8:00 --partition gpu --submit sweep visda",
)


cluster.command("pack-data", cls=Command, epilog="Example: dta-bench cluster pack-data data shards")(pack_data)
cluster.command("unpack-data", cls=Command, epilog="Example: dta-bench cluster unpack-data shards data")(unpack_data)


@cluster.command(
    "slurm",
    cls=Command,
    context_settings={"allow_interspersed_args": False, "ignore_unknown_options": False},
    epilog="Example: dta-bench cluster slurm --nodes 4 --gpus 4 --time 8:00 --partition gpu --submit sweep visda",
)
def slurm(
    context: typer.Context,
    command: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="sweep NAME ...", help="The sweep, with all its options. It comes last. Not with --array."
        ),
    ] = None,
    nodes: Annotated[int, typer.Option(min=1, help="Nodes of the job.")] = 1,
    gpus: Annotated[int, typer.Option(min=0, help="GPUs on each node; 0 trains on CPUs.")] = 1,
    cpus: Annotated[
        int | None, typer.Option(min=1, help="CPU cores on each node. Default: 8 for each GPU, or 8 without GPUs.")
    ] = None,
    time: Annotated[
        str,
        typer.Option(
            metavar="HOURS:MINUTES",
            help="The job's limit of time: 8:00 is eight hours, also DAYS-HOURS, as 2-0. A sweep that needs longer"
            " goes on in the same job, which is put into the queue again.",
        ),
    ] = "8:00",
    partition: Annotated[str, typer.Option(help="Slurm's partition. Default: the cluster's.")] = "",
    notice: Annotated[
        int, typer.Option(min=30, help="Runs save this many seconds before the limit; Slurm may be a minute early.")
    ] = 300,
    sbatch: Annotated[
        list[str] | None,
        typer.Option(help="Any other option of sbatch, as account=vision or mem=0. May be repeated."),
    ] = None,
    array: Annotated[
        Path | None,
        typer.Option(
            help="A file with one sweep per line, each with its own --out; they become the tasks of a job array."
        ),
    ] = None,
    to: Annotated[Path, typer.Option(help="The file of the job script.")] = Path("dta-bench.sbatch"),
    submit: Annotated[bool, typer.Option("--submit", help="Also submit it with sbatch.")] = False,
    only_print: Annotated[bool, typer.Option("--print", help="Print the script and write no file.")] = False,
) -> None:
    """Write the job script of a sweep for Slurm, and submit it with --submit.

    On one node the sweep starts a Ray of its own. On several nodes the job starts Ray on each of them, with ports and a
    token of its own, and an MLflow server unless --tracking-uri or MLFLOW_TRACKING_URI names one. dta-bench, --out and
    the data must lie on storage that all nodes see.

    Before the time is over all runs save, and the job is put into the queue again; it goes on where it was. After a
    preemption or the loss of a node Slurm itself does that. The sweep is checked here, before it waits in the queue.
    """
    if only_print:
        if submit:
            raise UserError("--print writes no file that could be submitted; leave out --print or --submit")
        refuse_unused(context, ["--to"], "with --print")
    with chatter_on_stderr() as stdout:
        from dta_bench.sweep import slurm_job

        commands = _commands(command or [], array)
        parsed = [_checked(context, words) for words in commands]
        if array is None:
            environment = {"DTA_BENCH_OUT": _absolute(parsed[0]["out"]), "DTA_BENCH_ROOT": _absolute(parsed[0]["root"])}
        else:
            _check_outs([_absolute(params["out"]) for params in parsed])
            environment = {}
        job = slurm_job.SlurmJob(
            tuple(map(tuple, commands)), nodes, gpus, cpus or slurm_job.CPUS_PER_GPU * max(1, gpus),
            slurm_job.parse_time(time), notice, partition, tuple(sbatch or ()), environment,
            str(Path(sys.executable).parent), str(Path.cwd()),
        )  # fmt: skip
        text = slurm_job.script(job)
        if only_print:
            print(text, end="", file=stdout)
            return
        _write(to, text)
        print(f"{to} asks for {_in_words(job)}", file=stdout)
        if submit:
            print(slurm_job.submit(to), file=stdout)
        else:
            print(f"submit it with: sbatch {shlex.quote(str(to))}", file=stdout)


def _commands(command: Sequence[str], array: Path | None) -> list[list[str]]:
    if array is None:
        return [list(command)]
    if command:
        raise UserError(f"--array {array} holds the sweeps of the job; leave out {shlex.join(command)}")
    try:
        lines = array.read_text(encoding="utf-8").splitlines()
        found = [shlex.split(line, comments=True) for line in lines]
    except OSError as error:
        raise UserError(f"--array {array} cannot be read ({error.strerror})") from error
    except ValueError as error:  # of shlex, or no UTF-8
        raise UserError(f"--array {array} is no list of commands: {error}") from error
    commands = [words[1:] if words[0] == "dta-bench" else words for words in found if words]
    if not commands:
        raise UserError(f"--array {array} names no sweep; write one a line, as: sweep visda --out runs/visda")
    return commands


def _checked(context: typer.Context, words: list[str]) -> dict[str, Any]:
    """The parameters of a sweep's command line, whose plan can be made.

    Raises:
        UserError: it is no sweep, or one that a job cannot run.
    """
    if not words or words[0] != "sweep":
        given = f"'{shlex.join(words)}'" if words else "nothing"
        raise UserError(f"a job runs a sweep, as 'sweep visda --points 12', and was given {given}")
    program = context.find_root().command
    assert isinstance(program, TyperGroup)
    params = program.commands["sweep"].make_context("dta-bench sweep", words[1:]).params
    for name, reason in (
        ("dry_run", "runs nothing; call it here, without a job"),
        ("address", "names another Ray than that of the job"),
    ):
        if params[name]:
            raise UserError(f"--{name.replace('_', '-')} {reason}; leave it out")
    options = options_of(**{name: params[name] for name in inspect.signature(options_of).parameters})
    plan_of(params["name"], options, params["benchmark"], params["root"])
    return params


def _check_outs(folders: list[str]) -> None:
    repeated = [folder for folder in folders if folders.count(folder) > 1]
    if repeated:
        raise UserError(
            f"several sweeps of the array would write to {repeated[0]}, and one sweep at a time can use a folder; give"
            " each an --out of its own"
        )


def _absolute(path: Path) -> str:
    from dta_bench.domains import typed_paths

    return str(typed_paths.absolute(path))


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UserError(f"{path} cannot be written ({error.strerror}); name another file with --to") from error


def _in_words(job: SlurmJob) -> str:
    hours, minutes = divmod(job.seconds // 60, 60)
    tasks = f"{len(job.commands)} jobs of " if len(job.commands) > 1 else ""
    return (
        f"{tasks}{job.nodes} {'node' if job.nodes == 1 else 'nodes'} with {job.gpus} GPUs and {job.cpus} CPU cores each"
        f", for {hours} h {minutes:02} min at a time"
    )
