"""The one error that is meant for the user's eyes, and what refuses a parameter with it."""

import math


class UserError(Exception):
    """Something the user can mend: what was wrong, what came, what is allowed, in one sentence.

    The command line prints it without a traceback and exits with status 2.
    """


class Interrupted(Exception):
    """Ctrl-C or SIGTERM was heeded: what is finished is kept, the same command goes on; exit status 130."""


class Diverged(Exception):
    """A run whose loss or weights stopped being finite; the run is marked failed and the sweep goes on."""


def within(params: object, **limits: tuple[float, float]) -> None:
    """Refuse a field of ``params`` that is not finite or lies outside its closed interval.

    Raises:
        UserError: which field, what it is, what is allowed.
    """
    for name, (low, high) in limits.items():
        value = getattr(params, name)
        if not (low <= value <= high and math.isfinite(value)):
            allowed = f"finite and {low:g} or more" if math.isinf(high) else f"from {low:g} to {high:g}"
            raise UserError(f"{name} is {value}; it must be {allowed}")


def one_of(params: object, **choices: tuple[str, ...]) -> None:
    """Refuse a field of ``params`` that is none of its choices.

    Raises:
        UserError: which field, what it is, what is allowed.
    """
    for name, allowed in choices.items():
        if getattr(params, name) not in allowed:
            raise UserError(f"{name} is {getattr(params, name)!r}; it must be one of {', '.join(allowed)}")
