"""The exceptions that a user sees, and checks of parameters that raise them."""

import math
import traceback
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from dta_bench.errors.credentials import mask

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


class UserError(Exception):
    """A mistake that the user can mend: what was wrong, what came, what is allowed, in one sentence.

    The command line prints it without a traceback and exits with status 2. Credentials in the sentence are masked,
    because it is also stored with a failed run.
    """

    def __init__(self, *args: object) -> None:
        super().__init__(*(mask(arg) if isinstance(arg, str) else arg for arg in args))


class Interrupted(BaseException):
    """Ctrl-C or SIGTERM: what is finished is kept, and the same command goes on from there; exit status 130.

    It may be raised anywhere, by a signal. Like KeyboardInterrupt it is no Exception, so that code which explains any
    failure of a plug-in, a store or a server does not take it for one.
    """


class Diverged(Exception):
    """A run's loss or weights stopped being finite; the run is marked failed and the sweep goes on."""


def call_masked(function: Callable[Arguments, Result], *args: Arguments.args, **kwargs: Arguments.kwargs) -> Result:
    """Call a function; an unexpected error that names credentials is replaced by one with its text, masked.

    Ray writes its workers' errors into files, and requests, urllib3 and SQLAlchemy name the store's URL in theirs.
    """
    try:
        return function(*args, **kwargs)
    except UserError:
        raise
    except Exception:
        text = traceback.format_exc()
        if mask(text) == text:
            raise
    raise RuntimeError(mask(text))  # outside the block, so that it does not carry the first error along


def within(params: object, **limits: tuple[float, float]) -> None:
    """Check that fields of ``params`` are finite and inside their closed intervals.

    Args:
        limits: field → lowest and highest allowed value; the highest may be infinite.

    Raises:
        UserError: which field, what it is, what is allowed.
    """
    for name, (low, high) in limits.items():
        value = getattr(params, name)
        if not (low <= value <= high and math.isfinite(value)):
            allowed = f"finite and {low:g} or more" if math.isinf(high) else f"from {low:g} to {high:g}"
            raise UserError(f"{name} is {value}; it must be {allowed}")


def one_of(params: object, **choices: tuple[str, ...]) -> None:
    """Check that fields of ``params`` are among their choices.

    Args:
        choices: field → allowed words.

    Raises:
        UserError: which field, what it is, what is allowed.
    """
    for name, allowed in choices.items():
        if getattr(params, name) not in allowed:
            raise UserError(f"{name} is {getattr(params, name)!r}; it must be one of {', '.join(allowed)}")
