"""The identity of a run: which fields of its spec are hashed, and how stored specs of other versions are read.

The fields of the first stores are always hashed. A field added later is hashed only when it is not at its default, so
that a new field leaves the identities of all earlier runs as they are.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

ALWAYS_HASHED: Mapping[str, tuple[str, ...]] = {
    "": ("benchmark", "backbone", "weights", "method", "params", "training", "label_subset", "seed"),
    "training": (
        "epochs", "optimizer", "learning_rate", "momentum", "weight_decay", "decay_every", "decay_factor", "batch_size",
        "precision", "channels_last", "accumulate", "devices", "checkpointing", "image_size", "crop", "window",
    ),
    "label_subset": ("size", "seed", "stratified"),
}  # fmt: skip
"""Part of the spec (empty: the spec itself) → its fields in the first stores. Never add a field here."""

LATER_PARAMETERS: Mapping[str, Any] = {
    "source_only_epochs": 0, "discriminator_depth": 1, "discriminator_norm": False, "discrepancy_ramp": True,
    "leave_out": False, "anchor": "training", "lambda_1_ramp_epochs": 0,
}  # fmt: skip
"""Parameters that methods got later → their default, at which they are in no spec and no identity."""


def without_later_defaults(params: Mapping[str, Any]) -> dict[str, Any]:
    """Leave parameters out that methods got later and that are at their default."""
    return {
        name: value for name, value in params.items() if name not in LATER_PARAMETERS or value != LATER_PARAMETERS[name]
    }


def identity(fields: Mapping[str, Any], defaults: Mapping[str, Mapping[str, Any]]) -> str:
    """Return the first 12 hex digits of the SHA-256 of the hashed fields as sorted JSON, where 2.0 is 2.

    Args:
        fields: the spec as a plain dict.
        defaults: part of the spec → the default of each field that has one.
    """
    hashed = hashed_fields(fields, defaults)
    return hashlib.sha256(json.dumps(hashed, sort_keys=True).encode()).hexdigest()[:12]


def hashed_fields(fields: Mapping[str, Any], defaults: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """The fields that :func:`identity` hashes, of the same arguments."""
    hashed = _hashed("", fields, defaults)
    hashed |= {part: _hashed(part, fields[part], defaults) for part in ALWAYS_HASHED if part}
    hashed["params"] = {name: _whole_as_int(value) for name, value in without_later_defaults(fields["params"]).items()}
    return hashed


def _hashed(part: str, fields: Mapping[str, Any], defaults: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    return {
        name: value for name, value in fields.items()
        if name in ALWAYS_HASHED[part] or name not in defaults[part] or value != defaults[part][name]
    }  # fmt: skip


def split_unknown(
    stored: Mapping[str, Any], known: Mapping[str, frozenset[str]]
) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Take the fields out of a stored spec that this version does not know.

    Args:
        stored: the spec as a plain dict, as another version may have written it.
        known: part of the spec → the names of its fields in this version.

    Returns:
        The spec without these fields, and their names, such as ``training.dropout``.
    """
    unknown = [name for name in stored if name not in known[""]]
    kept = {name: value for name, value in stored.items() if name in known[""]}
    for part in known:
        if part and isinstance(kept.get(part), dict):
            unknown += [f"{part}.{name}" for name in kept[part] if name not in known[part]]
            kept[part] = {name: value for name, value in kept[part].items() if name in known[part]}
    return kept, tuple(unknown)


def _whole_as_int(value: Any) -> Any:
    return int(value) if isinstance(value, float) and value.is_integer() else value
