"""Watch one forward pass of a ready-made network, to find where it can be cut in two.

No architecture is known here. Modules of which each takes the one tensor that the module before it returned, unchanged,
are a chain; cutting a network inside a chain does not change a bit of what it computes.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

TensorVersion = tuple[Tensor, int]
"""A tensor and its version number, which every in-place operation raises."""


@dataclass(frozen=True)
class ModuleCall:
    """One call of a module: its name, its input (None unless that is a single tensor) and its output (likewise)."""

    name: str
    module: nn.Module
    input: TensorVersion | None
    output: TensorVersion | None


class ForwardTrace:
    """The calls of all modules under ``root`` while ``run`` ran, inner ones before outer ones, and its result.

    Args:
        root: the network that is watched.
        run: a forward pass through ``root``; it is run once, without gradients.
    """

    def __init__(self, root: nn.Module, run: Callable[[], Any]) -> None:
        self.calls: list[ModuleCall] = []
        with self._recording(root), torch.no_grad():
            self.result = run()

    @contextmanager
    def _recording(self, root: nn.Module) -> Iterator[None]:
        inputs_of_running: list[TensorVersion | None] = []

        def enter(_: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
            single = len(args) == 1 and not kwargs and isinstance(args[0], Tensor)
            inputs_of_running.append(current_version(args[0]) if single else None)

        def leave(name: str) -> Callable[..., None]:
            def record(module: nn.Module, _: Any, out: Any) -> None:
                output = current_version(out) if isinstance(out, Tensor) else None
                self.calls.append(ModuleCall(name, module, inputs_of_running.pop(), output))

            return record

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
        """The names of all modules that were called."""
        return {call.name for call in self.calls}

    def chain(self, end: TensorVersion, start: Tensor | None = None, within: str = "") -> list[ModuleCall]:
        """The chain of outermost modules whose last output is ``end``, as far back as it goes.

        Args:
            end: the tensor that the last module returned.
            start: stop where a module's input is this tensor.
            within: the name of a module; only modules inside it count.
        """
        found: list[ModuleCall] = []
        while end[0] is not start:
            call = self._producer(end, within)
            if call is None or call.input is None:
                break
            found.insert(0, call)
            end = call.input
        return found

    def _producer(self, wanted: TensorVersion, within: str) -> ModuleCall | None:
        """The outermost call whose output is this very tensor; None if its module was called more than once."""
        for call in reversed(self.calls):  # an outer module returns after the modules inside it
            inside = call.name.startswith(f"{within}.") if within else True
            if inside and _is_same(call.output, wanted) and not _is_same(call.input, wanted):
                return call if sum(other.name == call.name for other in self.calls) == 1 else None
        return None

    def last_block(self, end: TensorVersion) -> list[ModuleCall]:
        """The last block before ``end`` and the modules after it; empty where no chain leads back to a block.

        A block is the last module that computes more than a chain of layers does (such as a residual block); in a
        network without such modules it is the last convolution.
        """
        opened = self._opened(self.chain(end))
        for is_wanted in (_is_block, _is_convolution):
            for i in range(len(opened) - 1, -1, -1):
                if is_wanted(opened[i]):
                    return opened[i:]
        return []

    def classifier(self) -> list[ModuleCall]:
        """The last linear layer (or 1x1 convolution) and the modules after it; empty where the result is not theirs."""
        found: list[ModuleCall] = []
        end = current_version(self.result) if isinstance(self.result, Tensor) else None
        while end is not None:
            call = next((c for c in self.calls if _is_leaf(c.module) and _is_same(c.output, end)), None)
            if call is None or call.input is None:
                return []
            found.insert(0, call)
            if isinstance(call.module, nn.Linear | nn.Conv2d):
                return found
            end = None if _is_same(call.input, end) else call.input
        return []

    def _opened(self, calls: list[ModuleCall]) -> list[ModuleCall]:
        """The calls, modules that are chains themselves replaced by their parts, back to the last block."""
        found: list[ModuleCall] = []
        for call in reversed(calls):
            parts = self._parts(call)
            found = (self._opened(parts) if parts else [call]) + found
            if any(_is_block(part) for part in found):
                break
        return found

    def _parts(self, call: ModuleCall) -> list[ModuleCall]:
        """The chain of modules inside a module that leads from its input to its output; empty if there is none."""
        if call.input is None or call.output is None or _has_own_weights(call.module):
            return []
        parts = self.chain(call.output, call.input[0], within=call.name)
        return parts if parts and _is_same(parts[0].input, call.input) else []


def _is_same(one: TensorVersion | None, other: TensorVersion | None) -> bool:
    return one is not None and other is not None and one[0] is other[0] and one[1] == other[1]


def _has_own_weights(module: nn.Module) -> bool:
    return any(True for _ in module.parameters(recurse=False))


def _is_leaf(module: nn.Module) -> bool:
    return not isinstance(module, nn.Identity) and next(module.children(), None) is None


def _is_block(call: ModuleCall) -> bool:
    """Whether this module has layers inside, so that it is a block and neither a layer nor a norm.

    A squeeze-and-excitation gate (timm's name for it is ``se``) is a part of a block.
    """
    inner = [m for m in call.module.modules() if m is not call.module]
    return any(isinstance(m, nn.Linear | nn.Conv2d) for m in inner) and not call.name.endswith(".se")


def _is_convolution(call: ModuleCall) -> bool:
    return isinstance(call.module, nn.Conv2d)


def current_version(tensor: Tensor) -> TensorVersion:
    """A tensor with its present version number."""
    return tensor, tensor._version


def copy_without(model: Any, names: list[str], keep: set[str] | None = None) -> Any:
    """A copy of ``model`` that shares its weights, with some modules replaced by Identity.

    Args:
        names: the modules to replace.
        keep: if given, all other direct children of ``model`` are replaced too, and its own parameters dropped.
    """
    twin = _shallow_copy(model)
    for name in names:
        _replace(twin, name)
    if keep is not None:
        for name in [n for n, child in twin.named_children() if n not in keep and child is not None]:
            setattr(twin, name, nn.Identity())
        twin._parameters = dict.fromkeys(twin._parameters)
    return twin


def _shallow_copy(module: nn.Module) -> Any:
    twin = copy.copy(module)
    twin._modules, twin._parameters = dict(module._modules), dict(module._parameters)
    return twin


def _replace(root: nn.Module, name: str) -> None:
    """Put an Identity at ``name``; the containers on the way are copied, so that no other copy changes."""
    *path, last = name.split(".")
    for part in path:
        root._modules[part] = _shallow_copy(root._modules[part])  # type: ignore[arg-type]
        root = root._modules[part]  # type: ignore[assignment]
    root._modules[last] = nn.Identity()
