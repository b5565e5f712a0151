"""Runs remembered in MLflow: a benchmark is an experiment, a sweep a parent run, a RunSpec a child of it.

The only package that knows MLflow. A run is found by its identity, the tag ``run_id``, so that one RunSpec never
has two MLflow runs, whoever starts it again and after whatever end.
"""

from dta_bench.tracking.heartbeat import AtWork
from dta_bench.tracking.run_log import RunLog
from dta_bench.tracking.tracker import STOPPED, TrackedRun, Tracker
from dta_bench.tracking.ui import serve_ui, ui_link

__all__ = ["STOPPED", "AtWork", "RunLog", "TrackedRun", "Tracker", "serve_ui", "ui_link"]
