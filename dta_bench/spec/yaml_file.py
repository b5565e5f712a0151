"""Read a YAML file as a mapping, and say what is wrong in it: file, key, value, what is allowed."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from dta_bench.errors import UserError

FASTEST = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""LibYAML where PyYAML was built with it: it reads ten times as fast, and sweeps of all methods read 40 files."""
NULL = "tag:yaml.org,2002:null"
KINDS = {"int": "a number", "float": "a number", "bool": "true or false", "timestamp": "a date", "null": "nothing"}


def read_mapping(path: Path, allowed: Iterable[str], texts: Mapping[str, bool] | None = None) -> dict[str, Any]:
    """Read a YAML file.

    Args:
        allowed: the keys that an error names; other keys are not refused here.
        texts: keys, at any depth, whose value is text, a list of texts, or a mapping from texts (True: to texts too).

    Raises:
        UserError: the file cannot be read, is not YAML, has a key twice, is no mapping, or has a word where text is
            wanted that YAML takes for something else (``no``, ``007``).
    """
    try:
        text = path.read_text(encoding="utf-8")
        content = _checked(path, text, texts or {})
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f", line {mark.line + 1}" if mark else ""
        raise UserError(f"{path}{line}: not YAML: {getattr(error, 'problem', None) or error}") from error
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path} cannot be read: {getattr(error, 'strerror', None) or error}") from error
    except (ValueError, TypeError, RecursionError) as error:  # 2020-13-45 is no date; brackets in brackets without end
        raise UserError(f"{path} cannot be read as YAML: {error}; quote what is text") from error
    if not isinstance(content, dict):
        raise UserError(f"{path} holds {type(content).__name__}; allowed: {', '.join(allowed)}")
    return content


def _checked(path: Path, text: str, texts: Mapping[str, bool]) -> Any:
    """The content of a YAML file whose keys and words are as they have to be; see :func:`read_mapping`."""
    try:
        return _checked_by(FASTEST, path, text, texts)
    except (yaml.YAMLError, RecursionError):  # PyYAML's own parser says it in the words that people look for
        return _checked_by(yaml.SafeLoader, path, text, texts)


def _checked_by(kind: Any, path: Path, text: str, texts: Mapping[str, bool]) -> Any:
    loader = kind(text)
    try:
        node = loader.get_single_node()
        _refuse_repeated_keys(path, node)
        _refuse_words_of_yaml(path, node, texts)
        return None if node is None else loader.construct_document(node)
    finally:
        loader.dispose()


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


def _refuse_words_of_yaml(path: Path, root: yaml.Node | None, texts: Mapping[str, bool]) -> None:
    """Refuse unquoted words where text is wanted that YAML takes for a number, a truth value, a date or nothing."""
    words = list(dict.fromkeys(_words_of_yaml(root, texts)))
    if words:
        listed = ", ".join(f"{word or 'nothing'} (as {kind})" for word, kind in words[:5])
        quoted = ", ".join(f'"{word}"' for word, _ in words[:5])
        raise UserError(f"{path}: YAML reads {listed} where a name is wanted; quote it: {quoted}")


def _words_of_yaml(node: yaml.Node | None, texts: Mapping[str, bool]) -> Iterator[tuple[str, str]]:
    """(word, what YAML takes it for) of each word that is no text where text is wanted."""
    if not isinstance(node, yaml.MappingNode):
        return
    for key, value in node.value:
        if str(key.value) in texts:
            for text in _text_nodes(value, texts[str(key.value)]):
                kind = KINDS.get(text.tag.rpartition(":")[2])
                if kind:
                    yield str(text.value), kind
        yield from _words_of_yaml(value, texts)


def _text_nodes(node: yaml.Node, with_values: bool) -> Iterator[yaml.ScalarNode]:
    """The words of a list, the keys of a mapping (and its values), or a single word; not the absence of one."""
    if isinstance(node, yaml.ScalarNode) and node.tag != NULL:
        yield node
    elif isinstance(node, yaml.SequenceNode):
        yield from (item for item in node.value if isinstance(item, yaml.ScalarNode))
    elif isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if isinstance(key, yaml.ScalarNode):
                yield key
            if with_values:
                yield from _text_nodes(value, with_values)


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
