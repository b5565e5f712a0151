"""Runs in MLflow: a benchmark is an experiment, a sweep is a parent run, and each RunSpec is a child run of it.

A run is found by its identity, the tag ``run_id``. So one RunSpec never has two MLflow runs, whoever starts it again
and however it ended before.
"""

from dta_bench.tracking.heartbeat import ActiveSweep
from dta_bench.tracking.imported_runs import DISAGREEMENT
from dta_bench.tracking.run_log import RunLog
from dta_bench.tracking.sweep_runs import CONFIRM
from dta_bench.tracking.tracked_run import RECIPE, STATES, STOPPED, TrackedRun, standing_runs
from dta_bench.tracking.tracker import CHOSEN_BY, Tracker
from dta_bench.tracking.ui import run_link, serve_ui, ui_link

__all__ = [
    "CHOSEN_BY", "CONFIRM", "DISAGREEMENT", "RECIPE", "STATES", "STOPPED", "ActiveSweep", "RunLog", "TrackedRun",
    "Tracker", "run_link", "serve_ui", "standing_runs", "ui_link",
]  # fmt: skip
