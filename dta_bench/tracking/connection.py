"""Connections to an MLflow store: checked within seconds, and without MLflow's own output."""

from __future__ import annotations

import contextlib
import io
import logging
import os
import tempfile
import urllib.error
import urllib.request
import warnings
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from dta_bench.errors import UserError
from dta_bench.errors.credentials import strip_user
from dta_bench.errors.environment import require_home
from dta_bench.tracking import store_file

REACH_SECONDS = 5.0  # how long a tracking server may take for its first answer
SERVERS = ("http", "https")
DATABASES = ("sqlite", "postgresql", "mysql", "mssql")


def client(uri: str) -> Any:
    """Make an MLflow client that prints nothing and gives up on a lost server after about half a minute.

    Raises:
        UserError: no home folder is known, which MLflow needs.
    """
    require_home()
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "30")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "4")
    os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    warnings.filterwarnings("ignore", module="mlflow")
    with contextlib.redirect_stdout(io.StringIO()):
        from mlflow import MlflowClient

    for name in ("mlflow", "alembic"):  # MLflow sets its own levels when imported
        logging.getLogger(name).setLevel(logging.ERROR)
    logging.getLogger("mlflow.store.db.utils").setLevel(logging.CRITICAL)  # tracebacks of errors that are handled here
    return MlflowClient(tracking_uri=uri, registry_uri=uri)


def check(uri: str, out: Path) -> None:
    """Check within seconds that a store can be written to; MLflow itself would try a dead store for minutes.

    Args:
        uri: ``sqlite:///FILE`` or another database's URL, or ``http(s)://SERVER``.
        out: the folder in which a store without a server keeps its artifacts; it is made if it is missing.

    Raises:
        UserError: MLflow cannot write to this kind of store, a server does not answer, or a folder is not writable.
    """
    check_address(uri)
    if is_server(uri):
        return
    _try_to_write(out)
    if (path := store_file.sqlite_path(uri)) is not None:
        _try_to_write(path.parent)


def check_address(uri: str) -> None:
    """Check that MLflow knows this kind of store, and that a server answers; nothing is written.

    Raises:
        UserError: it does not.
    """
    scheme = urlsplit(uri).scheme.partition("+")[0]
    if scheme not in SERVERS + DATABASES:
        raise UserError(
            f"{uri} is no MLflow store that can be written to; --tracking-uri takes http(s)://SERVER, sqlite:///FILE"
            " or another database's URL"
        )
    if scheme in SERVERS:
        _knock(uri)


def is_server(uri: str) -> bool:
    """Whether a server holds the store; it then also keeps the artifacts."""
    return urlsplit(uri).scheme in SERVERS


def _knock(uri: str) -> None:
    """Check that something listens. Any answer will do, even a refusal: MLflow finds out what it is."""
    try:
        urllib.request.build_opener().open(f"{strip_user(uri).rstrip('/')}/health", timeout=REACH_SECONDS).close()
    except urllib.error.HTTPError:
        return
    except OSError as error:
        reason = getattr(error, "reason", error)
        cause = getattr(reason, "strerror", None) or reason
        raise UserError(
            f"the MLflow server {uri} does not answer ({cause}); start it, or leave out"
            " --tracking-uri and MLFLOW_TRACKING_URI for a local store"
        ) from error


def _try_to_write(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    except OSError as error:
        raise UserError(f"{folder} cannot be written to ({error.strerror}); name another folder with --out") from error
