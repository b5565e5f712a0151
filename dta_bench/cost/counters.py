"""What runs inside a step, counted as it runs: FLOPs by operator, and the bytes that autograd keeps."""

from __future__ import annotations

from collections import Counter
from typing import Any

from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry


class Flops(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Adds up torch's own FLOP formulas. (FlopCounterMode tracks modules too, which fails under autograd.grad.)"""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.by_operator: Counter[str] = Counter()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        formula = flop_registry.get(func.overloadpacket)
        if formula is not None:
            self.by_operator[str(func.overloadpacket)] += formula(*args, **(kwargs or {}), out_val=out)
        return out


class Kept:
    """Bytes that autograd keeps for backward passes, now and at their peak; a storage kept twice counts once."""

    def __init__(self) -> None:
        self._holders: Counter[int] = Counter()
        self._now = self.peak = 0

    def keep(self, tensor: Tensor) -> _Held:
        """Autograd is about to keep ``tensor``."""
        storage = tensor.untyped_storage()
        if not self._holders[storage._cdata]:
            self._now += storage.nbytes()
            self.peak = max(self.peak, self._now)
        self._holders[storage._cdata] += 1
        return _Held(tensor, self)

    def release(self, tensor: Tensor) -> None:
        """One holder of this tensor's storage is gone."""
        storage = tensor.untyped_storage()
        self._holders[storage._cdata] -= 1
        if not self._holders[storage._cdata]:
            self._now -= storage.nbytes()


class _Held:
    def __init__(self, tensor: Tensor, kept: Kept) -> None:
        self.tensor, self._kept = tensor, kept

    def __del__(self) -> None:
        self._kept.release(self.tensor)
