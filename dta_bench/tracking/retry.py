"""Trying again while a tracking server is out of reach or a store is locked; what is refused is not tried again."""

from __future__ import annotations

import functools
import logging
import threading
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

import tenacity

from dta_bench.errors import UserError
from dta_bench.tracking import connection, store_file

PATIENCE = 900.0  # seconds that a server may be away before a run gives up; its checkpoint is kept
SHARING_ATTEMPTS = 5
_TRANSIENT = ("INTERNAL_ERROR", "TEMPORARILY_UNAVAILABLE")
_FINAL = ("INVALID_PARAMETER_VALUE", "BAD_REQUEST")

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


def retrying(uri: str, patience: float = PATIENCE, given_up: threading.Event | None = None) -> tenacity.Retrying:
    """Make a caller of functions that calls again, after growing pauses, while the server at ``uri`` is out of reach.

    Args:
        patience: seconds after which the last error is raised.
        given_up: once set, pauses end and nothing is tried again.

    Returns: ``retrying(uri)(function, *arguments)`` calls ``function``.
    """
    stop: Any = tenacity.stop_after_delay(patience)
    return tenacity.Retrying(
        retry=tenacity.retry_if_exception(lambda error: _is_passing(uri, error)),
        wait=tenacity.wait_exponential_jitter(multiplier=0.5, max=10),
        stop=stop if given_up is None else stop | tenacity.stop_when_event_set(given_up),
        sleep=tenacity.nap.sleep if given_up is None else tenacity.sleep_using_event(given_up),
        before_sleep=_warn_once,
        reraise=True,
    )


def with_retries(method: Callable[Arguments, Result]) -> Callable[Arguments, Result]:
    """Decorate a method of an object with a ``uri``: it is called again while the server is out of reach.

    The method must bear repetition.
    """

    @functools.wraps(method)
    def called(*args: Arguments.args, **kwargs: Arguments.kwargs) -> Result:
        owner: Any = args[0]
        return retrying(owner.uri)(method, *args, **kwargs)

    return called


class PatientClient:
    """A client of MLflow for a store without a server: each of its calls waits while another program locks the store.

    MLflow does what a call says in one transaction, so that a call which met a lock has done nothing.

    Args:
        client: of MLflow.
        uri: of the store.
    """

    def __init__(self, client: Any, uri: str) -> None:
        self._client, self._uri = client, uri

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._client, name)
        return functools.partial(wait_while_locked, self._uri, found) if callable(found) else found


def wait_while_locked(uri: str, function: Callable[..., Result], *args: Any, **kwargs: Any) -> Result:
    """Call a function of a store, again and again while another program has locked its file.

    Raises:
        UserError: the store is still locked after ``PATIENCE``.
    """
    try:
        return retrying(uri, PATIENCE)(function, *args, **kwargs)
    except Exception as error:
        if isinstance(error, UserError) or not store_file.is_locked(error):
            raise
        raise UserError(
            f"the MLflow store {uri} has been locked by another program for {PATIENCE / 60:.0f} minutes; end that"
            " program, and give the same command again"
        ) from error


def store_what_runs_share(function: Callable[..., Result], *args: Any, **kwargs: Any) -> Result:
    """Call a function of MLflow that stores what several runs share; again where another process was faster.

    MLflow looks whether it is there, then adds it. Of two processes that look at once the store refuses the second,
    which finds it when it looks again.
    """
    again = tenacity.retry_if_exception(_is_there_already)
    stop = tenacity.stop_after_attempt(SHARING_ATTEMPTS)
    return tenacity.Retrying(retry=again, stop=stop, wait=tenacity.wait_random(0, 0.5), reraise=True)(
        function, *args, **kwargs
    )


def _is_there_already(error: BaseException) -> bool:
    from mlflow.exceptions import MlflowException

    said = str(error).lower()  # a server passes on no more than the words of its database
    return isinstance(error, MlflowException) and ("unique constraint" in said or "duplicate entry" in said)


def is_refusal(error: BaseException) -> bool:
    """Whether a store refuses what it was sent for good: the same words would be refused again."""
    from mlflow.exceptions import MlflowException

    return isinstance(error, MlflowException) and error.error_code in _FINAL


def _is_passing(uri: str, error: BaseException) -> bool:
    """Whether another try may help."""
    if isinstance(error, UserError):
        return False
    return store_file.is_locked(error) or (connection.is_server(uri) and _out_of_reach(error))


def _out_of_reach(error: BaseException) -> bool:
    from mlflow.exceptions import MlflowException
    from requests.exceptions import RequestException

    if isinstance(error, MlflowException):
        return error.error_code in _TRANSIENT
    return isinstance(error, RequestException | ConnectionError | TimeoutError)


def _warn_once(state: tenacity.RetryCallState) -> None:
    if state.attempt_number == 1:
        locked = state.outcome is not None and store_file.is_locked(state.outcome.exception())
        problem = "store is locked by another program" if locked else "server does not answer"
        logging.getLogger("dta_bench").warning(f"the MLflow {problem}; trying again")
