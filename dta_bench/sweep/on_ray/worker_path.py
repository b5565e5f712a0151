"""The module search path of Ray's workers: their own, without the folder in which the user calls the command."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ray.job_config import JobConfig


def own_path_only() -> JobConfig:
    """A job whose workers look for modules where their Python does, and nowhere else.

    Ray puts the working directory of the command before all libraries, so that a ``random.py`` of the user would be
    taken for Python's own. Ray has no option against it.
    """
    from ray.job_config import JobConfig

    class OwnPathOnly(JobConfig):  # type: ignore[misc]
        def _serialize(self) -> Any:
            self._py_driver_sys_path.clear()
            return super()._serialize()

    return OwnPathOnly()
