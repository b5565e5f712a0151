"""What a run's numbers depend on besides its spec: data, code, pretrained weights and libraries."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import platform
import subprocess
from pathlib import Path

import dta_bench
from dta_bench.cost.kept_counts import kept
from dta_bench.errors import UserError
from dta_bench.run.code_fingerprint import code_fingerprint
from dta_bench.spec.run_spec import RunSpec

LIBRARIES = (
    "torch", "torchvision", "timm", "segmentation-models-pytorch", "albumentations", "numpy", "scikit-learn",
    "ray", "optuna", "mlflow",
)  # fmt: skip


def fingerprints(spec: RunSpec, root: str, skip_unreadable: bool = False) -> dict[str, str]:
    """Fingerprint the data, the code and the pretrained weights of a run; a finished run counts only where they agree.

    Args:
        root: where data lie.
        skip_unreadable: leave images out that cannot be read.

    Returns:
        Fingerprints by the names of their MLflow tags.
    """
    from dta_bench.data import load

    marks = {
        "data_fingerprint": load.domains(spec.benchmark, root, skip_unreadable).fingerprint,
        "code_fingerprint": code_fingerprint(spec),
    }
    return marks if spec.weights == "none" else marks | {"weights_fingerprint": weights_fingerprint(spec)}


def weights_fingerprint(spec: RunSpec) -> str:
    """Return the first 12 hex digits of the SHA-256 of the weights that a run starts from.

    ``none`` stands for random weights.
    """
    from dta_bench.data.benchmark_plugin import benchmark_of
    from dta_bench.nn import pretrained

    benchmark = benchmark_of(spec.benchmark)
    backbone = pretrained.backbone(spec.backbone, benchmark.for_training(spec.training).train_size)
    return pretrained.weights_fingerprint(backbone, len(benchmark.classes), spec.weights)


def versions() -> dict[str, str]:
    """Return the versions of Python and of each installed library that a number may depend on, by name."""
    by_name = {"dta-bench": dta_bench.__version__, "python": platform.python_version()}
    for name in LIBRARIES:
        try:
            by_name[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return by_name


def check_torchvision() -> None:
    """Check that torch and torchvision were built for each other; timm and SMP import torchvision too.

    That they were is kept on disk for as long as the two are not installed anew, so that planning imports neither.

    Raises:
        UserError: they were not, for example a CPU-only torch beside PyPI's torchvision.
    """
    found = [importlib.util.find_spec(name) for name in ("torch", "torchvision")]
    files = [Path(spec.origin) for spec in found if spec is not None and spec.origin is not None]
    kept(("built for each other", *((str(file), file.stat().st_mtime_ns) for file in files)), [], _import_torchvision)


def _import_torchvision() -> float:
    import torch

    try:
        import torchvision  # noqa: F401
    except RuntimeError as error:
        raise UserError(
            f"torch {torch.__version__} and the installed torchvision were not built for each other ({error}); install "
            "both from one place: pip install --force-reinstall -c constraints.txt torch torchvision"
        ) from error
    return 1.0


def commit() -> str:
    """Return the checkout's commit, with ``-dirty`` if tracked files differ; ``unknown`` outside a checkout.

    Where there is no git, as in a container's image, the commit may lie in the file ``.commit``.
    """
    root = Path(dta_bench.__file__).parents[1]
    if not (root / ".git").exists():
        return _commit_in_file(root)
    try:
        head = _git(root, "rev-parse", "--short=12", "HEAD")
    except (OSError, subprocess.CalledProcessError):
        return _commit_in_file(root)
    try:
        return head + ("-dirty" if _git(root, "status", "--porcelain", "--untracked-files=no") else "")
    except subprocess.CalledProcessError:
        return head + _state_of_copy(root)


def _commit_in_file(root: Path) -> str:
    try:
        written = (root / ".commit").read_text(encoding="ascii", errors="replace").split()
    except OSError:
        return "unknown"
    return f"{written[0][:12]}-copied" if written else "unknown"


def _state_of_copy(root: Path) -> str:
    """What follows the commit on a node of a cluster, where the checkout is without its history.

    Changes that are not staged are seen there, by the index; others cannot be.
    """
    try:
        subprocess.run(["git", "-C", str(root), "update-index", "-q", "--refresh"], capture_output=True)
        return "-dirty" if _git(root, "diff-files", "--name-only") else "-copied"
    except (OSError, subprocess.CalledProcessError):
        return "-copied"


def _git(root: Path, *arguments: str) -> str:
    return subprocess.run(
        ["git", "-C", str(root), *arguments], check=True, capture_output=True, text=True
    ).stdout.strip()
