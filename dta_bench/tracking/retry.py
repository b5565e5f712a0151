"""A tracking server that goes away for a while is waited for; a refusal is not."""

from __future__ import annotations

import functools
import logging
import threading
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

import tenacity

from dta_bench.tracking import connection

PATIENCE = 900.0  # seconds that a server may be away before a run gives up; its checkpoint is kept
_TRANSIENT = ("INTERNAL_ERROR", "TEMPORARILY_UNAVAILABLE")

Given = ParamSpec("Given")
Found = TypeVar("Found")


def retrying(uri: str, patience: float = PATIENCE, given_up: threading.Event | None = None) -> tenacity.Retrying:
    """Tries again, with growing pauses, what failed because the server at ``uri`` was out of reach.

    Args:
        patience: seconds after which the last error is raised.
        given_up: once set, pauses end and nothing is tried again.
    """
    stop: Any = tenacity.stop_after_delay(patience)
    return tenacity.Retrying(
        retry=tenacity.retry_if_exception(lambda error: connection.is_server(uri) and _out_of_reach(error)),
        wait=tenacity.wait_exponential_jitter(multiplier=0.5, max=10),
        stop=stop if given_up is None else stop | tenacity.stop_when_event_set(given_up),
        sleep=tenacity.nap.sleep if given_up is None else tenacity.sleep_using_event(given_up),
        before_sleep=_say,
        reraise=True,
    )


def patient(method: Callable[Given, Found]) -> Callable[Given, Found]:
    """A method of an object with a ``uri``, tried again while the server is out of reach; it must bear repetition."""

    @functools.wraps(method)
    def tried(*args: Given.args, **kwargs: Given.kwargs) -> Found:
        owner: Any = args[0]
        return retrying(owner.uri)(method, *args, **kwargs)

    return tried


def _out_of_reach(error: BaseException) -> bool:
    from mlflow.exceptions import MlflowException
    from requests.exceptions import RequestException

    if isinstance(error, MlflowException):
        return error.error_code in _TRANSIENT
    return isinstance(error, RequestException | ConnectionError | TimeoutError)


def _say(state: tenacity.RetryCallState) -> None:
    if state.attempt_number == 1:
        logging.getLogger("dta_bench").warning("the MLflow server does not answer; trying again")
