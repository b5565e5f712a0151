"""A run as it stands in the store, read from what MLflow keeps of it; and which run stands for an identity."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from dta_bench.errors.credentials import mask
from dta_bench.plugins import composed
from dta_bench.spec.run_spec import RunSpec
from dta_bench.tracking import metric_names

STOPPED = "stopped_epoch"
"""The tag of a run that a rule stopped early; it has no result."""
STATES = ("finished", "failed", "interrupted", "stopped", "running")
"""How runs stand, in a user's words; MLflow calls both that were interrupted and that a rule stopped KILLED."""
PARENT = "mlflow.parentRunId"
"""The tag of a run with the id, in MLflow, of the sweep that trained it."""
RECIPE = "recipe"
"""The tag of a run with the name of the recipe that its command followed; a changed one is named so."""


@dataclass(frozen=True)
class TrackedRun:
    """A run as it stands in the store. ``run_id`` is the RunSpec's identity, ``mlflow_run_id`` MLflow's own.

    Attributes:
        run_id: computed anew from the stored spec. A spec with fields of a newer version keeps the identity that this
            version gave it.
        alias: the identity under which the run was stored, its tag ``run_id``.
        unknown_fields: fields of the stored spec that this version does not know.
    """

    mlflow_run_id: str
    run_id: str
    name: str
    status: str
    spec: RunSpec
    tags: dict[str, str]
    metrics: dict[str, float]
    experiment_id: str
    artifact_uri: str
    alias: str = ""
    unknown_fields: tuple[str, ...] = ()

    @property
    def state(self) -> str:
        """One of :data:`STATES`: interrupted by Ctrl-C or a lost worker, it goes on with the same command."""
        if self.status == "KILLED":
            return "stopped" if STOPPED in self.tags else "interrupted"
        return self.status.lower()

    @property
    def parent(self) -> str:
        """The id, in MLflow, of the sweep that trained the run; empty where none did."""
        return self.tags.get(PARENT, "")


class UnreadableSpecError(ValueError):
    """A stored spec that this version cannot read or does not allow; says why."""


def read_run(run: Any) -> TrackedRun:
    """Read a run of MLflow.

    Raises:
        UnreadableSpecError: its spec cannot be read.
    """
    tags = dict(run.data.tags)
    tags |= {key: mask(tags[key]) for key in ("command", "reason") if key in tags}  # an earlier version stored them
    try:
        spec, unknown = RunSpec.read_stored(json.loads(tags["spec"]))
        names: dict[str, Any] = {part: composed(getattr(spec, part)) for part in ("benchmark", "backbone", "method")}
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join([error.title.lower(), *map(str, first["loc"])])
        raise UnreadableSpecError(f"{field} is {first['input']!r}: {first['msg']}") from error
    except (KeyError, ValueError, TypeError) as error:
        raise UnreadableSpecError("it is no spec of a run") from error
    spec = dataclasses.replace(spec, **names)  # an earlier version stored them as their files were spelled
    metrics = {composed(metric_names.decode(key)): value for key, value in run.data.metrics.items()}
    return TrackedRun(
        mlflow_run_id=run.info.run_id, run_id=tags["run_id"] if unknown else spec.id,
        name=run.info.run_name, status=run.info.status,
        spec=spec, tags=tags, metrics=metrics,
        experiment_id=run.info.experiment_id, artifact_uri=run.info.artifact_uri,
        alias=tags["run_id"], unknown_fields=unknown,
    )  # fmt: skip


def standing_runs(runs: Iterable[TrackedRun]) -> tuple[list[TrackedRun], list[TrackedRun]]:
    """Reduce runs to one for each identity: the finished one that was started last, else the one started last.

    Args:
        runs: in the order in which they were started.

    Returns:
        The runs that stand, and the others; both in the order of ``runs``.
    """
    ordered = list(runs)
    standing: dict[str, TrackedRun] = {}
    for run in ordered:
        before = standing.get(run.run_id)
        if before is None or run.status == "FINISHED" or before.status != "FINISHED":
            standing[run.run_id] = run
    kept = {id(run) for run in standing.values()}
    return [run for run in ordered if id(run) in kept], [run for run in ordered if id(run) not in kept]
