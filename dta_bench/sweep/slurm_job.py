"""The job script of a sweep for Slurm: ``cluster/slurm.sbatch`` with a job's own options and commands."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from dta_bench import plugins
from dta_bench.errors import UserError

TEMPLATE = "cluster/slurm.sbatch"
CPUS_PER_GPU = 8  # as in cluster.yaml
SECONDS_TO_START = 120  # that a job needs at least before its first run trains
OWN = {"nodes", "ntasks-per-node", "cpus-per-task", "gpus-per-node", "time", "partition", "signal", "requeue",
       "no-requeue", "open-mode", "output", "array", "job-name", "chdir"}  # fmt: skip
"""What sbatch is told by options of ours, or what the script relies on."""


@dataclass(frozen=True)
class SlurmJob:
    """What a job asks Slurm for.

    Attributes:
        commands: the arguments of dta-bench, one list for each task of an array.
        gpus: on each node.
        cpus: on each node.
        seconds: the limit of time.
        notice: seconds before the end at which runs save.
        partition: empty for the cluster's default.
        further: other options of sbatch, as ``account=vision``.
        environment: variables that the job sets.
        programs: the folder of dta-bench, ray and mlflow.
        folder: where the job runs, for plug-ins there.
    """

    commands: tuple[tuple[str, ...], ...]
    nodes: int
    gpus: int
    cpus: int
    seconds: int
    notice: int
    partition: str = ""
    further: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    programs: str = ""
    folder: str = ""


def parse_time(text: str) -> int:
    """Seconds of a limit: ``8:00`` is eight hours, ``8:00:00`` too, ``2-0`` and ``2-00:00`` are two days.

    sbatch itself takes 8:00 for eight minutes, which no sweep wants.

    Raises:
        UserError: another form.
    """
    found = re.fullmatch(r"(?:(\d+)-(?=\d))?(\d+)(?::([0-5]\d))?(?::([0-5]\d))?", text)
    if not found or (found[1] is None and found[3] is None):
        raise UserError(f"--time {text} is no time limit; it takes HOURS:MINUTES, as 8:00, or DAYS-HOURS, as 2-0")
    days, hours, minutes, seconds = (int(part or 0) for part in found.groups())
    return ((days * 24 + hours) * 60 + minutes) * 60 + seconds


def format_time(seconds: int) -> str:
    """A limit as sbatch reads it: ``1-08:00:00``."""
    minutes, rest = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours // 24}-{hours % 24:02}:{minutes:02}:{rest:02}"


def check(job: SlurmJob) -> None:
    """Refuse what Slurm would refuse, or would let run in vain.

    Raises:
        UserError: the first mistake.
    """
    if job.seconds < job.notice + SECONDS_TO_START:
        raise UserError(
            f"a time limit of {format_time(job.seconds)} is too short: runs save {job.notice} s before its end, and a"
            f" job takes {SECONDS_TO_START} s to start; give a longer --time or a smaller --notice"
        )
    for option in job.further:
        name = option.partition("=")[0].lstrip("-")
        if not re.fullmatch(r"[a-z][a-z0-9-]*(=[^\s]+)?", option):
            raise UserError(f"--sbatch {option!r} is no option of sbatch; write it without dashes, as account=vision")
        if name in OWN:
            raise UserError(f"--sbatch {option} is set by dta-bench cluster slurm itself; see its --help")


def script(job: SlurmJob) -> str:
    """The text of the job script.

    Raises:
        UserError: the job cannot run, see :func:`check`.
    """
    check(job)
    several = len(job.commands) > 1
    options = {
        "job-name": "dta-bench", "nodes": job.nodes, "ntasks-per-node": 1, "cpus-per-task": job.cpus,
        "gpus-per-node": job.gpus or "", "time": format_time(job.seconds), "signal": f"B:USR1@{job.notice}",
        "partition": job.partition, "array": f"0-{len(job.commands) - 1}" if several else "",
        "output": "dta-bench-%A_%a.out" if several else "dta-bench-%j.out", "open-mode": "append",
        "chdir": job.folder,
    }  # fmt: skip
    lines = [f"#SBATCH --{name}={value}" for name, value in options.items() if value != ""]
    lines += ["#SBATCH --requeue", *(f"#SBATCH --{option}" for option in job.further)]
    exports = [f"export {name}={shlex.quote(value)}" for name, value in job.environment.items()]
    exports += [f"export PATH={shlex.quote(job.programs)}:$PATH"] if job.programs else []
    commands = "\n".join(f"  {shlex.quote(shlex.join(command))}" for command in job.commands)
    settings = [f"commands=(\n{commands}\n)", *exports]
    head, _, body = template().partition("#SBATCH")
    body = re.sub(r"\A(.*\n)(#SBATCH.*\n)*", "", body)
    body = re.sub(r'^commands=\("\$\(.*\n# settings\n', lambda _: "\n".join(settings) + "\n", body, flags=re.MULTILINE)
    return head + "\n".join(lines) + "\n" + body


def template() -> str:
    """The shipped script, from the package or from the checkout around it."""
    for folder in (plugins.PACKAGE, plugins.PACKAGE.parent):
        if (folder / TEMPLATE).is_file():
            return (folder / TEMPLATE).read_text(encoding="utf-8")
    raise UserError(f"{TEMPLATE} is not there; it is part of dta-bench, so install it again")


def submit(path: Path) -> str:
    """Hand a script to Slurm; returns what sbatch says.

    Raises:
        UserError: there is no Slurm here, or it refuses the job; with Slurm's own words.
    """
    if shutil.which("sbatch") is None:
        raise UserError(f"sbatch is not on this machine; copy {path} to a login node of the cluster and submit it")
    done = subprocess.run(["sbatch", str(path)], capture_output=True, text=True)
    if done.returncode:
        reason = " ".join(done.stderr.split()).removeprefix("sbatch: error: ")
        raise UserError(f"Slurm refuses {path}: {reason}")
    return done.stdout.strip()
