"""Which runs can train on the features of a frozen network, without its images."""

from __future__ import annotations

from dta_bench.errors import UserError
from dta_bench.spec.method_plugin import MethodPlugin
from dta_bench.spec.run_spec import RunSpec


def check(spec: RunSpec, method: MethodPlugin) -> None:
    """A run with ``tune`` ``head`` changes no image.

    Raises:
        UserError: its method does, or the method of its first stage.
    """
    if spec.training.tune == "head" and (need := method.need_of_pixels(spec.params)):
        raise UserError(sentence(f"{spec.method}: {need}"))


def sentence(needs: str) -> str:
    """Why methods are refused.

    Args:
        needs: name and need of each, such as ``dta: VAT perturbs the pixels``.
    """
    return (
        f"with tune head only what lies above a frozen network trains, and no method can change its images ({needs}); "
        "leave it out, or turn that part off"
    )
