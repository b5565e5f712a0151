"""What a run's numbers depend on besides its spec: the code that made them, the libraries, the machine."""

from __future__ import annotations

import importlib.metadata
import platform
import subprocess
from pathlib import Path

import dta_bench
from dta_bench.errors import UserError
from dta_bench.run.code_fingerprint import code_fingerprint
from dta_bench.spec.run_spec import RunSpec

LIBRARIES = (
    "torch", "torchvision", "timm", "segmentation-models-pytorch", "albumentations", "numpy", "scikit-learn",
    "ray", "optuna", "mlflow",
)  # fmt: skip


def fingerprints(spec: RunSpec, root: str, skip_unreadable: bool = False) -> dict[str, str]:
    """Data, code and weights of a run, by which a finished run is recognised as still valid."""
    from dta_bench.data import load

    marks = {
        "data_fingerprint": load.domains(spec.benchmark, root, skip_unreadable).fingerprint,
        "code_fingerprint": code_fingerprint(spec),
    }
    return marks if spec.weights == "none" else marks | {"weights_fingerprint": weights_fingerprint(spec)}


def weights_fingerprint(spec: RunSpec) -> str:
    """The file of weights that a run starts from, as a SHA-256 of 12 digits; ``none`` for random weights."""
    from dta_bench.data.benchmark_plugin import benchmark_of
    from dta_bench.nn import pretrained

    defined = benchmark_of(spec.benchmark)
    found = pretrained.backbone(spec.backbone, defined.for_training(spec.training).train_size)
    return pretrained.weights_fingerprint(found, len(defined.classes), spec.weights)


def versions() -> dict[str, str]:
    """Version of Python and of each library a number may depend on; absent ones are left out."""
    found = {"dta-bench": dta_bench.__version__, "python": platform.python_version()}
    for name in LIBRARIES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def check_torchvision() -> None:
    """Make sure that torch and torchvision were built for each other; timm and SMP import torchvision too.

    Raises:
        UserError: they were not, as a CPU-only torch beside PyPI's torchvision.
    """
    import torch

    try:
        import torchvision  # noqa: F401
    except RuntimeError as error:
        raise UserError(
            f"torch {torch.__version__} and the installed torchvision were not built for each other ({error}); install "
            "both from one place: pip install --force-reinstall -c constraints.txt torch torchvision"
        ) from error


def commit() -> str:
    """The checkout's commit, with ``-dirty`` when tracked files differ; ``unknown`` outside a checkout."""
    root = Path(dta_bench.__file__).parents[1]
    if not (root / ".git").exists():
        return "unknown"
    try:
        head = _git(root, "rev-parse", "--short=12", "HEAD")
        return head + ("-dirty" if _git(root, "status", "--porcelain", "--untracked-files=no") else "")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def _git(root: Path, *arguments: str) -> str:
    return subprocess.run(
        ["git", "-C", str(root), *arguments], check=True, capture_output=True, text=True
    ).stdout.strip()
