"""Where a ready-made network is cut in two, found by watching one forward pass on the meta device.

Nothing is known of any architecture here: modules that hand one tensor to the next, untouched, are a chain, and a chain
may be cut anywhere without changing a bit of what it computes.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

Seen = tuple[Tensor, int]
"""A tensor and its version, which an in-place operation raises."""


@dataclass(frozen=True)
class Call:
    """One call of a module: its name, what came in (None: not one tensor alone) and what went out."""

    name: str
    module: nn.Module
    given: Seen | None
    gave: Seen | None


class Trace:
    """The calls of all modules under ``root`` while ``run`` ran, innermost first, and what ``run`` returned."""

    def __init__(self, root: nn.Module, run: Callable[[], Any]) -> None:
        self.calls: list[Call] = []
        with self._watched(root), torch.no_grad():
            self.result = run()

    @contextmanager
    def _watched(self, root: nn.Module) -> Iterator[None]:
        entered: list[Seen | None] = []

        def enter(_: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
            alone = len(args) == 1 and not kwargs and isinstance(args[0], Tensor)
            entered.append((args[0], args[0]._version) if alone else None)

        def leave(name: str) -> Callable[..., None]:
            def told(module: nn.Module, _: Any, out: Any) -> None:
                gave = (out, out._version) if isinstance(out, Tensor) else None
                self.calls.append(Call(name, module, entered.pop(), gave))

            return told

        handles = []
        for name, module in root.named_modules():
            if name:
                handles.append(module.register_forward_pre_hook(enter, with_kwargs=True))
                handles.append(module.register_forward_hook(leave(name)))
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()

    def names(self) -> set[str]:
        """Every module that was called."""
        return {call.name for call in self.calls}

    def chain(self, end: Seen, start: Tensor | None = None, within: str = "") -> list[Call]:
        """The outermost modules (under ``within``) that lead to ``end`` one after another, as far back as they do."""
        found: list[Call] = []
        while end[0] is not start:
            call = self._giver(end, within)
            if call is None or call.given is None:
                break
            found.insert(0, call)
            end = call.given
        return found

    def _giver(self, wanted: Seen, within: str) -> Call | None:
        """The outermost call that gave this very tensor and is the only call of its module."""
        for call in reversed(self.calls):  # an outer module leaves last
            inside = call.name.startswith(f"{within}.") if within else True
            if inside and _same(call.gave, wanted) and not _same(call.given, wanted):
                return call if sum(other.name == call.name for other in self.calls) == 1 else None
        return None

    def last_block(self, end: Seen) -> list[Call]:
        """The last block before ``end``, and the modules after it; empty where no chain leads back to a block.

        A block is the last module that computes more than a chain does (a residual block); in a network that has none
        it is the last convolution.
        """
        leaves = self._opened(self.chain(end))
        for wanted in (_is_block, _is_convolution):
            for i in range(len(leaves) - 1, -1, -1):
                if wanted(leaves[i]):
                    return leaves[i:]
        return []

    def classifier(self) -> list[Call]:
        """The last linear layer (or 1x1 convolution) and what follows it; empty where the result is not its output."""
        found: list[Call] = []
        end = same_version(self.result) if isinstance(self.result, Tensor) else None
        while end is not None:
            call = next((c for c in self.calls if _is_leaf(c.module) and _same(c.gave, end)), None)
            if call is None or call.given is None:
                return []
            found.insert(0, call)
            if isinstance(call.module, nn.Linear | nn.Conv2d):
                return found
            end = None if _same(call.given, end) else call.given
        return []

    def _opened(self, calls: list[Call]) -> list[Call]:
        """Modules that are chains themselves, replaced by their parts."""
        found: list[Call] = []
        for call in reversed(calls):
            parts = self._parts(call)
            found = (self._opened(parts) if parts else [call]) + found
            if any(_is_block(part) for part in found):
                break
        return found

    def _parts(self, call: Call) -> list[Call]:
        if call.given is None or call.gave is None or _weights_of_its_own(call.module):
            return []
        parts = self.chain(call.gave, call.given[0], within=call.name)
        return parts if parts and _same(parts[0].given, call.given) else []


def _same(one: Seen | None, other: Seen | None) -> bool:
    return one is not None and other is not None and one[0] is other[0] and one[1] == other[1]


def _weights_of_its_own(module: nn.Module) -> bool:
    return any(True for _ in module.parameters(recurse=False))


def _is_leaf(module: nn.Module) -> bool:
    return not isinstance(module, nn.Identity) and next(module.children(), None) is None


def _is_block(call: Call) -> bool:
    """Whether this (unopened) module has layers inside, so that it is a block and neither a layer nor a norm.

    A squeeze-and-excitation gate is a part of a block.
    """
    inner = [m for m in call.module.modules() if m is not call.module]
    return any(isinstance(m, nn.Linear | nn.Conv2d) for m in inner) and not call.name.endswith(".se")


def _is_convolution(call: Call) -> bool:
    return isinstance(call.module, nn.Conv2d)


def same_version(tensor: Tensor) -> Seen:
    """A tensor as it is now."""
    return tensor, tensor._version


def without(model: Any, names: list[str], keep: set[str] | None = None) -> Any:
    """A copy of ``model`` that shares its weights, with the named modules, and all but ``keep``, made to do nothing."""
    found = _shallow(model)
    for name in names:
        _replace(found, name)
    if keep is not None:
        for name in [n for n, child in found.named_children() if n not in keep and child is not None]:
            setattr(found, name, nn.Identity())
        found._parameters = dict.fromkeys(found._parameters)
    return found


def _shallow(module: nn.Module) -> Any:
    found = copy.copy(module)
    found._modules, found._parameters = dict(module._modules), dict(module._parameters)
    return found


def _replace(root: nn.Module, name: str) -> None:
    """Put an Identity at ``name``, copying the containers on the way so that no other copy is touched."""
    *path, last = name.split(".")
    for part in path:
        root._modules[part] = _shallow(root._modules[part])  # type: ignore[arg-type]
        root = root._modules[part]  # type: ignore[assignment]
    root._modules[last] = nn.Identity()
