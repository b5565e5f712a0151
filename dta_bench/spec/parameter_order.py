"""The order in which labels name a method's parameters: that of its search space."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any

from dta_bench import plugins
from dta_bench.errors import UserError
from dta_bench.spec import yaml_file
from dta_bench.spec.run_spec import Value


def in_space_order(benchmark: str, method: str, params: Mapping[str, Value]) -> dict[str, Value]:
    """Order a run's parameters: first those of its search space in its order, then the others as they come.

    Only YAML is read: no method is loaded, nor torch with it.
    """
    swept = [name for name in _swept_names(benchmark, method) if name in params]
    return {name: params[name] for name in [*swept, *params]}


@functools.cache
def _swept_names(benchmark: str, method: str) -> tuple[str, ...]:
    """The names of the method's own sets, then of the benchmark's search space, then of the paper's sets."""
    own = _sets("method_sets", method) if method in plugins.names("method_sets") else {}
    space = _sets("search_space", benchmark) if benchmark in plugins.names("search_space") else {}
    return tuple(own | space | _sets("search_space", "paper_sets"))


def _sets(kind: str, name: str) -> dict[str, Any]:
    """The sets of a file and of the file that it extends; empty if it cannot be read, which a sweep would refuse."""
    try:
        content = yaml_file.read_mapping(plugins.path(kind, name), ())
    except UserError:
        return {}
    base = content.get("extends")
    inherited = _sets("search_space", base) if isinstance(base, str) else {}
    own = content.get("sets")
    return inherited | (own if isinstance(own, dict) else {})
