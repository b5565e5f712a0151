"""Try something on the meta device, where tensors have no values, and on the CPU where that is not enough."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from dta_bench.errors import UserError

Found = TypeVar("Found")


def try_meta_then_cpu(on_meta: Callable[[], Found], on_cpu: Callable[[], Found]) -> Found:
    """Return what ``on_meta`` finds; where it fails, what ``on_cpu`` finds.

    Some operators do not exist on the meta device (``aten::equal``), and no value can be read there
    (``Tensor.item``). A failure there alone is therefore no fault of the network or the method: only a failure on the
    CPU counts.

    Args:
        on_meta: fast; its side effects must not reach ``on_cpu``.
        on_cpu: the same with real tensors.

    Raises:
        UserError: ``on_meta`` raised it: it names a fault that no device mends.
    """
    try:
        return on_meta()
    except UserError:
        raise
    except Exception:  # the meta device fails in many ways; what is really wrong, the CPU raises again
        return on_cpu()
