"""Archives of results on the Hugging Face hub, as data sets: put one there, and get one.

The token is read by the hub's own client, from ``HF_TOKEN`` or from what ``hf auth login`` has stored, and by nothing
here. Tried against a local server that speaks the hub's protocol, never online.
"""

from __future__ import annotations

import re
from pathlib import Path

from dta_bench.errors import UserError
from dta_bench.errors.credentials import mask
from dta_bench.report.archive.manifest import MANIFEST, RUNS, Manifest
from dta_bench.spec.spelling import count_of

PREFIX = "hf:"


def is_on_hub(name: str) -> bool:
    """Whether a name is that of an archive on the hub, ``hf:user/name``."""
    return name.startswith(PREFIX)


def repository_of(name: str) -> str:
    """The data set that ``hf:user/name`` stands for.

    Raises:
        UserError: it is not of this form.
    """
    repository = name.removeprefix(PREFIX)
    if not re.fullmatch(r"[\w-][\w.-]*/[\w-][\w.-]*", repository):
        raise UserError(f"{mask(name)} names no data set of the hub; allowed: {PREFIX}USER/NAME")
    return repository


def upload(folder: Path, manifest: Manifest, name: str) -> str:
    """Put an archive on the hub in one commit; a data set that is not there is made, for all to see.

    Args:
        folder: of the archive.
        manifest: its own.
        name: ``hf:user/name``.

    Returns: the address of the commit.

    Raises:
        UserError: the name is none of the hub, or the hub refuses or does not answer.
    """
    from huggingface_hub import CommitOperationAdd, HfApi

    repository, api = repository_of(name), HfApi()
    card = f"---\nlicense: {manifest.licence.lower()}\ntags: [dta-bench-results]\n---\n\n{describe(manifest)}\n"
    files: dict[str, Path | bytes] = {one: folder / one for one in (MANIFEST, RUNS)}
    files |= {"README.md": card.encode()}
    try:
        api.create_repo(repository, repo_type="dataset", exist_ok=True)
        adding = [CommitOperationAdd(path, content) for path, content in files.items()]
        message = f"{count_of(manifest.runs, 'run')} of {manifest.name}"
        done = api.create_commit(repository, adding, commit_message=message, repo_type="dataset")
    except Exception as error:  # the hub's client raises many kinds of errors
        raise UserError(
            f"{name} was not published ({_first_line(error)}); it needs a token with the right to write, in HF_TOKEN "
            "or from hf auth login"
        ) from error
    return str(done.commit_url)


def download(name: str) -> Path:
    """The folder that an archive of the hub was downloaded into; its newest version.

    Raises:
        UserError: the name is none of the hub, or the hub does not give it.
    """
    from huggingface_hub import snapshot_download

    repository = repository_of(name)
    try:
        return Path(snapshot_download(repository, repo_type="dataset", allow_patterns=[MANIFEST, RUNS]))
    except Exception as error:  # the hub's client raises many kinds of errors
        raise UserError(f"{name} is not to be had from the hub: {_first_line(error)}") from error


def describe(manifest: Manifest) -> str:
    """What an archive's card on the hub says."""
    benchmarks = "\n".join(f"* {name}: {count_of(count, 'run')}" for name, count in manifest.benchmarks.items())
    return (
        f"# Results of {manifest.name}\n\n{count_of(manifest.runs, 'run')}, written by {manifest.made_by}; add them "
        f"to a store with `dta-bench merge`.\n\n{benchmarks}"
    )


def _first_line(error: Exception) -> str:
    return mask(next((line for line in str(error).splitlines() if line.strip()), type(error).__name__))
