"""Where archives go and come from: a folder, or a data set of the Hugging Face hub."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

from dta_bench.domains import typed_paths
from dta_bench.report.archive import hub
from dta_bench.report.archive.manifest import Manifest
from dta_bench.report.archive.write import write_archive
from dta_bench.tracking import Tracker


def publish_to(
    place: str, tracker: Tracker, benchmarks: Sequence[str], name: str, licence: str
) -> tuple[Manifest, str]:
    """Write an archive into a folder, or put it on the hub.

    Args:
        place: a folder, or ``hf:user/name``.

    Returns: its manifest, and where it is.

    Raises:
        UserError: as :func:`write_archive` and :func:`dta_bench.report.archive.hub.upload`.
    """
    if not hub.is_on_hub(place):
        return write_archive(tracker, benchmarks, typed_paths.absolute(Path(place)), name, licence), place
    hub.repository_of(place)  # before anything is written
    with tempfile.TemporaryDirectory() as folder:
        manifest = write_archive(tracker, benchmarks, Path(folder), name, licence)
        return manifest, hub.upload(Path(folder), manifest, place)


def folder_of(place: str) -> Path:
    """The folder of an archive, which is downloaded if it is ``hf:user/name``.

    Raises:
        UserError: the hub does not give it.
    """
    return hub.download(place) if hub.is_on_hub(place) else typed_paths.absolute(Path(place))
