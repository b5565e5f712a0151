"""The base of all records of the public JSON files: immutable, strict about keys, without parts that were not run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, SerializerFunctionWrapHandler, ValidationError, model_serializer

from dta_bench.errors import UserError

Interval = tuple[float, float]
"""Lower and upper end of an interval."""
Curve = tuple[list[int], list[float]]
"""Epochs, counted from 1, and the value at the end of each."""
Params = dict[str, float | int | str | bool]
"""A method's parameters by name, in the order of the search space."""


class FrozenRecord(BaseModel):
    """A part of a document; a field that was never given, because its part was not run, has no key in the JSON."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    @model_serializer(mode="wrap")
    def _without_what_was_not_run(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        fields: dict[str, Any] = handler(self)
        return {key: value for key, value in fields.items() if value is not None or key in self.model_fields_set}


class Document(FrozenRecord):
    """A whole JSON file; files written before versions were counted have none and are of version 1."""

    schema_version: Literal[1] = 1

    def json_object(self) -> dict[str, Any]:
        """The document as plain dicts and lists, ready for :func:`json.dumps`."""
        return self.model_dump(mode="json")


AnyDocument = TypeVar("AnyDocument", bound=Document)


def read(kind: type[AnyDocument], path: Path) -> AnyDocument:
    """Read a document back from its JSON file.

    Raises:
        UserError: the file is not JSON, or not a document of this kind and version.
    """
    try:
        return kind.model_validate(json.loads(path.read_text(encoding="utf-8")))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "the file"
        reason = f"{where}: {first['msg']}"
    except (OSError, ValueError) as error:
        reason = str(error)
    raise UserError(f"{path} cannot be read by this version of dta-bench ({reason}); delete the file or make it again")
