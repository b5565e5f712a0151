"""MLflow's own web pages for the runs of a folder."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

from dta_bench.errors import UserError
from dta_bench.errors.credentials import strip_user
from dta_bench.tracking import store_file
from dta_bench.tracking.connection import is_server
from dta_bench.tracking.tracker import Tracker
from dta_bench.tracking.ui_metadata import MODEL_TRAINING, VIEW

DEFAULT_PORT = 5000
MOST_SECONDS_TO_START = 120.0
PORT_VARIABLE = "DTA_BENCH_UI_PORT"
LATER = "DTA_BENCH_STORE_AFTER_JOB"
"""An environment variable of a Slurm job, whose server ends with it: the store that ``dta-bench ui`` serves later."""


def ui_link(uri: str, experiment_id: str, port: int | None = None) -> str:
    """The link to an experiment's table of runs, with our columns and order.

    Args:
        port: at which a local store is served; None: see :func:`ui_port`.
    """
    return f"{_base(uri, port)}/#/experiments/{experiment_id}/runs?viewStateShareKey={VIEW}&{MODEL_TRAINING}"


def run_link(uri: str, experiment_id: str, mlflow_run_id: str) -> str:
    """The link to the page of one run."""
    return f"{_base(uri, None)}/#/experiments/{experiment_id}/runs/{mlflow_run_id}?{MODEL_TRAINING}"


def ui_port(uri: str) -> int:
    """The port at which ``dta-bench ui`` serves a local store: the variable's, the one it served at last, or 5000."""
    stated = os.environ.get(PORT_VARIABLE, "")
    if not stated and (file := _port_file(uri)) is not None and file.is_file():
        stated = file.read_text(encoding="utf-8").strip()
    return int(stated) if stated.isdecimal() else DEFAULT_PORT


def _base(uri: str, port: int | None) -> str:
    uri = os.environ.get(LATER) or uri
    return strip_user(uri).rstrip("/") if is_server(uri) else f"http://127.0.0.1:{port or ui_port(uri)}"


def _port_file(uri: str) -> Path | None:
    """Beside a SQLite store, the file with the port at which it was served last; other stores have none."""
    store = store_file.sqlite_path(uri)
    return None if store is None else store.with_name(f"{store.name}.ui-port")


def _remember_port(uri: str, port: int) -> None:
    """Let the links of reports follow the port; those of a store that can only be read keep theirs."""
    if (file := _port_file(uri)) is not None:
        with contextlib.suppress(OSError):
            file.write_text(f"{port}\n", encoding="utf-8")


def serve_ui(uri: str, out: Path, host: str, port: int | None, open_page: Callable[[str], None] | None = None) -> None:
    """Serve MLflow's UI on a local store until Ctrl-C; where a server holds the store, print its links instead.

    Args:
        port: to serve at; None: see :func:`ui_port`.
        open_page: opens the first link once the pages are served; None opens nothing.

    Raises:
        UserError: there is no store, the port is taken, or MLflow's server ended by itself.
    """
    tracker = Tracker(uri, out)
    if not tracker.exists():
        raise UserError(f"there are no runs in {out}; run a sweep there first, or name another folder with --out")
    port = port or ui_port(uri)
    if not is_server(uri):
        _check_free(host, port)
    links = {name: ui_link(uri, experiment_id, port) for name, experiment_id in tracker.experiments().items()}
    for name, link in links.items():
        print(f"{name}: {link}", file=sys.stderr)
    first = next(iter(links.values()), None) if open_page else None
    if is_server(uri):
        if open_page and first:
            open_page(first)
        return
    if tracker.can_only_be_read:
        print("this store can only be read: what is changed on these pages is not kept", file=sys.stderr)
    else:
        _remember_port(uri, port)
    print("the pages are ready in a few seconds; Ctrl-C ends them", file=sys.stderr)
    if open_page and first:
        threading.Thread(target=_open_when_served, args=(host, port, open_page, first), daemon=True).start()
    _serve(tracker.opened_uri, out, host, port)


def _open_when_served(host: str, port: int, open_page: Callable[[str], None], link: str) -> None:
    until = time.monotonic() + MOST_SECONDS_TO_START
    while time.monotonic() < until:
        if _listens(host, port):
            open_page(link)
            return
        time.sleep(0.5)


def _check_free(host: str, port: int) -> None:
    if _listens(host, port):
        raise UserError(f"port {port} on {host} is taken; choose another one with --port")


def _listens(host: str, port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex((host, port)) == 0


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
        raise UserError(f"MLflow's server ended with status {status}; its own message is above")
