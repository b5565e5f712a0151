"""The exceptions that a user sees, and checks of parameters that raise them."""

import math


class UserError(Exception):
    """A mistake that the user can mend: what was wrong, what came, what is allowed, in one sentence.

    The command line prints it without a traceback and exits with status 2.
    """


class Interrupted(Exception):
    """Ctrl-C or SIGTERM: what is finished is kept, and the same command goes on from there; exit status 130."""


class Diverged(Exception):
    """A run's loss or weights stopped being finite; the run is marked failed and the sweep goes on."""


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
