"""Read a YAML file as a mapping, and say what is wrong in it: file, key, value, what is allowed."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import yaml

from dta_bench.errors import UserError


def read_mapping(path: Path, allowed: Iterable[str]) -> dict[str, Any]:
    """Read a YAML file.

    Args:
        allowed: the keys that an error names; other keys are not refused here.

    Raises:
        UserError: the file cannot be read, is not YAML, has a key twice, or is no mapping.
    """
    try:
        text = path.read_text(encoding="utf-8")
        _refuse_repeated_keys(path, yaml.compose(text, yaml.SafeLoader))
        content = yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f", line {mark.line + 1}" if mark else ""
        raise UserError(f"{path}{line}: not YAML: {getattr(error, 'problem', None) or error}") from error
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path} cannot be read: {getattr(error, 'strerror', None) or error}") from error
    if not isinstance(content, dict):
        raise UserError(f"{path} holds {type(content).__name__}; allowed: {', '.join(allowed)}")
    return content


def _refuse_repeated_keys(path: Path, node: yaml.Node | None) -> None:
    """PyYAML keeps the last of equal keys without a word."""
    if isinstance(node, yaml.SequenceNode):
        for item in node.value:
            _refuse_repeated_keys(path, item)
    if not isinstance(node, yaml.MappingNode):
        return
    seen: set[str] = set()
    for key, value in node.value:
        if str(key.value) in seen:
            raise UserError(f"{path}, line {key.start_mark.line + 1}: {key.value} is there twice; allowed: once")
        seen.add(str(key.value))
        _refuse_repeated_keys(path, value)


def explain(error: Any, allowed: list[str]) -> str:
    """Say one of pydantic's errors in words.

    Args:
        error: an entry of ``ValidationError.errors()``.
        allowed: the keys that are allowed at its place.
    """
    where = error["loc"]
    key = ".".join(map(str, where))
    if error["type"] == "extra_forbidden":
        return f"{key} is not a key here{suggestion(where[-1], allowed)}; allowed: {', '.join(allowed)}"
    if error["type"] == "missing":
        return f"{key} is missing"
    reason = error["msg"].removeprefix("Value error, ").removeprefix("Input ")
    return f"{key} is {error['input']!r}; {reason}" if key else str(reason)


def suggestion(key: Any, allowed: Iterable[str]) -> str:
    """Return ``, did you mean ...?`` if an allowed key is close to ``key``, else an empty string."""
    close = difflib.get_close_matches(str(key), list(allowed), n=1)
    return f", did you mean {close[0]}?" if close else ""
