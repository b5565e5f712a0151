"""The Ray of a sweep from its first run to its last: started or joined once, and left at the end."""

from __future__ import annotations

import logging
import os
import secrets
from contextlib import ExitStack
from types import TracebackType

from rich.console import Console

from dta_bench.run.workspace import Workspace
from dta_bench.spec.run_spec import RunSpec
from dta_bench.sweep.on_ray import cluster
from dta_bench.sweep.phases import Phases


class RaySession:
    """Connects when the first runs are launched, so that a sweep with nothing to do starts no Ray.

    Args:
        resources: where Ray is, and which nodes to wait for.
        phases: says what is being done before the first result.
    """

    def __init__(
        self, resources: cluster.Resources, workspace: Workspace, console: Console, phases: Phases | None = None
    ) -> None:
        self.resources, self.workspace, self.console = resources, workspace, console
        self.phases = phases or Phases(console)
        self._stack = ExitStack()
        self._joined: cluster.Joined | None = None

    def __enter__(self) -> RaySession:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.__exit__(kind, error, trace)

    def connect(self, run: RunSpec) -> cluster.Joined:
        """Start or join Ray, unless that is done, and check its nodes.

        Args:
            run: one of the sweep's runs, for its data.

        Raises:
            UserError: no Ray, or nodes that are not fit for work.
        """
        if self._joined is None:
            self.phases.begin("joining Ray" if cluster.address_of(self.resources) else "starting Ray")
            self._prepare_environment()
            import ray

            for name in ("ray.tune", "ray.air"):  # a lost worker is retried, and the progress view shows it
                logging.getLogger(name).setLevel(logging.CRITICAL)
            self._stack.callback(ray.shutdown)
            connected = cluster.connect(self.resources, run, self.workspace, self.console)
            self._joined = self._stack.enter_context(connected)
        return self._joined

    def _prepare_environment(self) -> None:
        """Set what Ray reads when it is imported."""
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        os.environ.setdefault("RAY_AIR_NEW_OUTPUT", "0")
        os.environ.setdefault("TUNE_DISABLE_AUTO_CALLBACK_LOGGERS", "1")
        os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
        if not cluster.address_of(self.resources):
            token = os.environ.get("RAY_AUTH_TOKEN", secrets.token_hex(32))
            os.environ.update(cluster.LOOPBACK_ONLY | {"RAY_AUTH_TOKEN": token})
