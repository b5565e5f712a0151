"""Processes that share nothing with the one that runs the tests; what they import is imported once for all of them."""

import multiprocessing
import os
import sys
from typing import Any

import torch

START_METHOD = "forkserver"
CONTEXT = multiprocessing.get_context(START_METHOD)
"""Its first process takes the seconds that torch and MLflow need to be imported, each further one hardly any."""
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")  # as the program does, so that no thread is started
# Only what is installed: the server does not take sys.path over, and what it cannot import it leaves out in silence.
CONTEXT.set_forkserver_preload(["mlflow", "torchvision", "dta_bench.run.execute"])


def exit_code_of(work: Any, *arguments: Any) -> int | None:
    """Run a function of a test's module in such a process, in this one's environment; how the process ended."""
    process = CONTEXT.Process(target=_work, args=(dict(os.environ), work, arguments))
    process.start()
    process.join()
    return process.exitcode


def _work(environment: dict[str, str], work: Any, arguments: tuple[Any, ...]) -> None:
    os.environ.update(environment)
    torch.set_num_threads(1)
    work(*arguments)


def loaded_already() -> None:
    """End with status 0 if the server brought what it was told to import."""
    raise SystemExit(not {"mlflow", "torchvision"} <= sys.modules.keys())
