"""The one error that is meant for the user's eyes."""


class UserError(Exception):
    """Something the user can mend: what was wrong, what came, what is allowed, in one sentence.

    The command line prints it without a traceback and exits with status 2.
    """


class Interrupted(Exception):
    """Ctrl-C or SIGTERM was heeded: what is finished is kept, the same command goes on; exit status 130."""


class Diverged(Exception):
    """A run whose loss or weights stopped being finite; the run is marked failed and the sweep goes on."""
