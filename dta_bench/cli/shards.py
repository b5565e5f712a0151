"""``dta-bench cluster pack-data`` and ``unpack-data``: data in a few large files, for object storage."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def pack_data(
    root: Annotated[Path, typer.Argument(help="The folder of the data, as --root of a sweep.")],
    folder: Annotated[Path, typer.Argument(help="The folder that gets the shards; empty, or not there yet.")],
) -> None:
    """Pack data into shards of a gigabyte, for object storage.

    A machine fetches a few large files in minutes, and hundreds of thousands of small ones in hours.
    """
    from dta_bench.data import shards
    from dta_bench.spec.spelling import count_of

    packed = shards.pack(root, folder)
    files, size = sum(shard.files for shard in packed), sum(shard.bytes for shard in packed)
    named = f"{count_of(files, 'file')} in {count_of(len(packed), 'shard')}, {size / 2**20:.1f} MiB"
    print(f"{named}; copy all of {folder} to object storage")


def unpack_data(
    folder: Annotated[Path, typer.Argument(help="The folder of the shards and their manifest.")],
    root: Annotated[Path, typer.Argument(help="The folder that gets the data, as --root of a sweep.")],
) -> None:
    """Verify shards by their SHA-256 and unpack them, once a machine.

    What a run reads is verified once more by the data's fingerprint, before the first run.
    """
    from dta_bench.data import shards
    from dta_bench.spec.spelling import count_of

    unpacked = shards.unpack(folder, root)
    files = sum(shard.files for shard in unpacked)
    print(f"{count_of(files, 'file')} of {count_of(len(unpacked), 'shard')} under {root}")
