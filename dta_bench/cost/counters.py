"""Counters of what runs inside a step: FLOPs by operator, and the bytes that autograd keeps."""

from __future__ import annotations

from collections import Counter
from typing import Any

from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

from dta_bench.cost.meta_results import quick_result


class FlopCounter(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Adds up torch's own FLOP formulas while it is active.

    Torch's ``FlopCounterMode`` tracks modules too, which fails under ``autograd.grad``.

    Attributes:
        by_operator: FLOPs by the operator's name, such as ``aten.mm``.
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.by_operator: Counter[str] = Counter()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = None if kwargs else quick_result(func, args)
        if out is None:
            out = func(*args, **(kwargs or {}))
        formula = flop_registry.get(func.overloadpacket)
        if formula is not None:
            self.by_operator[str(func.overloadpacket)] += formula(*args, **(kwargs or {}), out_val=out)
        return out


class SavedBytes:
    """Bytes that autograd keeps for backward passes; a storage that is kept twice counts once.

    Attributes:
        peak: the most bytes that were kept at one time.
    """

    def __init__(self) -> None:
        self._holders: Counter[int] = Counter()
        self._now = self.peak = 0

    def keep(self, tensor: Tensor) -> _SavedTensor:
        """Count ``tensor`` until the returned object is gone; a pack hook of ``saved_tensors_hooks``."""
        storage = tensor.untyped_storage()
        if not self._holders[storage._cdata]:
            self._now += storage.nbytes()
            self.peak = max(self.peak, self._now)
        self._holders[storage._cdata] += 1
        return _SavedTensor(tensor, self)

    def release(self, tensor: Tensor) -> None:
        """Note that one holder of this tensor's storage is gone."""
        storage = tensor.untyped_storage()
        self._holders[storage._cdata] -= 1
        if not self._holders[storage._cdata]:
            self._now -= storage.nbytes()


class _SavedTensor:
    def __init__(self, tensor: Tensor, saved: SavedBytes) -> None:
        self.tensor, self._saved = tensor, saved

    def __del__(self) -> None:
        self._saved.release(self.tensor)
