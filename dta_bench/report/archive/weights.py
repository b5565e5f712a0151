"""Weights from a file: an archive names them by their contents, and a store by the file that it has of these."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping

from dta_bench.spec.run_spec import RunSpec
from dta_bench.tracking import TrackedRun

BY_CONTENTS = "file:"
"""Before the first digits of the SHA-256 of a file of weights, in place of its path."""
FINGERPRINT = "weights_fingerprint"
"""The tag with the first digits of the SHA-256 of the weights that a run started from."""


def is_file(weights: str) -> bool:
    """Whether a run's weights are a file of its machine."""
    return weights not in ("none", "hub") and not weights.startswith(BY_CONTENTS)


def published_spec(spec: RunSpec, tags: Mapping[str, str]) -> RunSpec | None:
    """A run's spec without the place of its weights; None where nobody knows what was in their file."""
    if not is_file(spec.weights):
        return spec
    found = tags.get(FINGERPRINT, "")
    return dataclasses.replace(spec, weights=BY_CONTENTS + found) if found else None


def files_of(runs: Iterable[TrackedRun]) -> dict[str, str]:
    """Fingerprint → the file with these weights that runs of a store started from."""
    return {run.tags[FINGERPRINT]: run.spec.weights for run in runs
            if is_file(run.spec.weights) and run.tags.get(FINGERPRINT)}  # fmt: skip


def spec_here(spec: RunSpec, files: Mapping[str, str]) -> RunSpec:
    """A published spec with the file that this store has of its weights, where it has one."""
    if not spec.weights.startswith(BY_CONTENTS):
        return spec
    return dataclasses.replace(spec, weights=files.get(spec.weights.removeprefix(BY_CONTENTS), spec.weights))
