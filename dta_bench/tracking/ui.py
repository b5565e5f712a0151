"""MLflow's own web pages for the runs of a folder."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

from dta_bench.errors import UserError
from dta_bench.errors.credentials import strip_user
from dta_bench.tracking.connection import is_server
from dta_bench.tracking.tracker import Tracker
from dta_bench.tracking.ui_metadata import VIEW


def ui_link(uri: str, experiment_id: str, port: int = 5000) -> str:
    """The link to an experiment's table of runs, with our columns and order; a local store is served at ``port``."""
    base = strip_user(uri).rstrip("/") if is_server(uri) else f"http://127.0.0.1:{port}"
    return f"{base}/#/experiments/{experiment_id}/runs?viewStateShareKey={VIEW}"


def serve_ui(uri: str, out: Path, host: str, port: int) -> None:
    """Serve MLflow's UI on a local store until Ctrl-C; where a server holds the store, print its links instead.

    Raises:
        UserError: there is no store, the port is taken, or MLflow's server ended by itself.
    """
    tracker = Tracker(uri, out)
    if not tracker.exists():
        raise UserError(f"there are no runs in {out}; run a sweep there first, or name another folder with --out")
    if not is_server(uri):
        _check_free(host, port)
    for name, experiment_id in tracker.experiments().items():
        print(f"{name}: {ui_link(uri, experiment_id, port)}", file=sys.stderr)
    if not is_server(uri):
        if tracker.can_only_be_read:
            print("this store can only be read: what is changed on these pages is not kept", file=sys.stderr)
        _serve(tracker.opened_uri, out, host, port)


def _check_free(host: str, port: int) -> None:
    with socket.socket() as probe:
        if probe.connect_ex((host, port)) == 0:
            raise UserError(f"port {port} on {host} is taken; choose another one with --port")


def _serve(uri: str, out: Path, host: str, port: int) -> None:
    command = [
        sys.executable, "-m", "mlflow", "server", "--host", host, "--port", str(port),
        "--workers", "1", "--uvicorn-opts", "--log-level warning",
        "--serve-artifacts", "--artifacts-destination", str(out / "mlartifacts"),
    ]  # fmt: skip
    # It runs in a process group of its own: MLflow answers Ctrl-C with a traceback and passes no signal on.
    # Its job runners, which nothing here uses, stay off: that saves eight processes and 700 MB.
    env = os.environ | {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "PYTHONWARNINGS": "ignore"}
    env["PYTHONSAFEPATH"] = "1"  # a random.py of the user in this folder must not hide the library of this name
    env["MLFLOW_BACKEND_STORE_URI"] = uri  # it may hold a password, and everybody sees the arguments of a process
    server = subprocess.Popen(command, stdout=sys.stderr, process_group=0, env=env)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)
    try:
        status = server.wait()
    except KeyboardInterrupt:
        os.killpg(server.pid, signal.SIGTERM)
        server.wait()
    else:
        raise UserError(f"MLflow's server ended with status {status}; its own words are above")
