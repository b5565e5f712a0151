"""Processes that share nothing with the one that runs the tests; what they import is imported once for all of them."""

import multiprocessing
import os
from typing import Any

START_METHOD = "forkserver"
CONTEXT = multiprocessing.get_context(START_METHOD)
"""Its first process takes the seconds that torch and MLflow need to be imported, each further one hardly any."""
CONTEXT.set_forkserver_preload(["imported_by_processes"])


def exit_code_of(work: Any, *arguments: Any) -> int | None:
    """Run a function of a test's module in such a process, in this one's environment; how the process ended."""
    process = CONTEXT.Process(target=_work, args=(dict(os.environ), work, arguments))
    process.start()
    process.join()
    return process.exitcode


def _work(environment: dict[str, str], work: Any, arguments: tuple[Any, ...]) -> None:
    os.environ.update(environment)
    work(*arguments)
