"""What a run's numbers depend on besides its spec: the code that made them, the libraries, the machine."""

from __future__ import annotations

import functools
import hashlib
import importlib.metadata
import platform
import subprocess
from collections.abc import Iterable
from pathlib import Path
from types import ModuleType

import dta_bench
from dta_bench import plugins
from dta_bench.errors import UserError
from dta_bench.experiment import RunSpec

# The modules whose text decides numbers; command line, tracking, sweep and report do not.
NUMERIC = (
    "adversarial_dropout", "augment", "batches", "domains", "evaluation", "label_free", "losses", "measurement",
    "metrics", "network", "probes", "segmentation", "training", "validation",
)  # fmt: skip
LIBRARIES = (
    "torch", "torchvision", "timm", "segmentation-models-pytorch", "albumentations", "numpy", "scikit-learn",
    "ray", "optuna", "mlflow",
)  # fmt: skip


def code_fingerprint(spec: RunSpec) -> str:
    """The first 12 hex digits of a SHA-256 over the source text of every file that decides this run's numbers."""
    package = Path(dta_bench.__file__).parent
    files = {package / f"{name}.py" for name in NUMERIC} | set((package / "pretrained").glob("*.py"))
    files |= {plugins.path("backbone", spec.backbone)} if _has_file(spec.backbone) else set()
    files |= _with_family(plugins.path("benchmark", spec.benchmark))
    files |= _with_imports(plugins.load("method", spec.method))
    return _digest(file for file in files if file.is_file())


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


def _has_file(backbone: str) -> bool:
    return "/" not in backbone  # timm/... and smp/... are built from a name alone


def _with_family(benchmark: Path) -> set[Path]:
    ours = Path(dta_bench.__file__).parent / "benchmarks"
    return {benchmark, *benchmark.parent.glob("_*.py"), *ours.glob("_*.py")}


def _with_imports(method: ModuleType) -> set[Path]:
    """A method's file and those of the methods that it builds on."""
    modules = [method] + [m for m in vars(method).values() if isinstance(m, ModuleType)]
    own = [m for m in modules if m is method or m.__name__.startswith("dta_bench.methods.")]
    return {Path(m.__file__) for m in own if m.__file__}


@functools.cache
def _as_imported(file: Path) -> bytes:
    """A source file as this process first saw it: what is edited later is not what is running."""
    return file.read_bytes()


def _digest(files: Iterable[Path]) -> str:
    total = hashlib.sha256()
    for file in sorted(files, key=lambda f: (f.parent.name, f.name)):
        total.update(f"{file.parent.name}/{file.name}\n".encode())
        total.update(_as_imported(file))
    return total.hexdigest()[:12]
