"""What a run's numbers depend on besides its spec: the code that made them, the libraries, the machine."""

from __future__ import annotations

import ast
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
from dta_bench.spec.run_spec import RunSpec

# The modules whose text decides numbers; command line, tracking, sweep and report do not.
NUMERIC = (
    "adversarial_dropout", "ahead", "augment", "batches", "domains", "evaluation", "image_cache", "label_free",
    "learner", "losses", "measurement", "metrics", "network", "probes", "recomputation", "segmentation",
    "training", "unreadable", "validation",
)  # fmt: skip
SILENT = ("errors", "experiment", "experiment_file", "plugins", "search_space")
"""Modules that a method may import and that decide no number."""
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
    from dta_bench.data import load
    from dta_bench.nn import pretrained

    defined = load.benchmark_of(spec.benchmark)
    found = pretrained.backbone(spec.backbone, defined.under(spec.training).train_size)
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


def _has_file(backbone: str) -> bool:
    return "/" not in backbone  # timm/... and smp/... are built from a name alone


def _with_family(benchmark: Path) -> set[Path]:
    ours = Path(dta_bench.__file__).parent / "benchmarks"
    return {benchmark, *benchmark.parent.glob("_*.py"), *ours.glob("_*.py")}


def _with_imports(method: ModuleType) -> set[Path]:
    """A method's file and every file of this package that it imports, directly or by way of another."""
    found: set[Path] = set()
    waiting = [Path(str(method.__file__))]
    while waiting:
        file = waiting.pop()
        if file not in found:
            found.add(file)
            waiting += _imports(file)
    return found


def _imports(file: Path) -> list[Path]:
    """Files of this package that ``file`` imports by name, but for those that cannot decide a number."""
    names: list[str] = []
    for node in ast.walk(ast.parse(_as_imported(file))):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
    package = Path(dta_bench.__file__).parent
    own = [name.split(".")[1:] for name in names if name.startswith("dta_bench.")]
    files = (package.joinpath(*parts).with_suffix(".py") for parts in own if parts[0] not in SILENT)
    return [file for file in files if file.is_file()]


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
