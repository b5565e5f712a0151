"""``dta-bench figures``: a run's figures as files, on its MLflow run, and on one page."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from pathlib import Path

from markupsafe import Markup
from matplotlib.figure import Figure

from dta_bench.data import load
from dta_bench.data.benchmark_plugin import benchmark_of
from dta_bench.domains.images import Splits
from dta_bench.errors import UserError
from dta_bench.evaluation import scenes
from dta_bench.report.document.frozen_record import FrozenRecord
from dta_bench.report.features import label_strips
from dta_bench.report.features.gradcam import Deltas, grad_cam_figure
from dta_bench.report.features.networks import TrainedRun, find_source_only, load_trained
from dta_bench.report.features.tsne import tsne_figure
from dta_bench.report.html import page
from dta_bench.report.predictions.find_run import find_run
from dta_bench.run.workspace import Workspace
from dta_bench.spec.method_plugin import method_plugin
from dta_bench.spec.run_spec import RunSpec
from dta_bench.spec.spelling import label_run, spell_method
from dta_bench.tracking import TrackedRun, Tracker, run_link

USUAL_DELTAS = Deltas(delta_c=0.05, delta_e=0.1)  # where the run's method has no such parameters


class DrawnFigures(FrozenRecord):
    """Figures of a run: their PNG files by name, one page that holds them, and the run's page in MLflow."""

    run_id: str
    beside: str | None
    """Identity of the run that stands beside it."""
    note: str
    """Why no run stands beside it, and why they are not kept with the run; empty if one does and they are."""
    files: dict[str, str]
    page: str
    link: str


def draw_figures(name: str, beside: str | None, workspace: Workspace) -> DrawnFigures:
    """Draw what a run's network shows, or the label maps that it kept, beside another run.

    The figures go to ``reports/figures/<run>/`` with one page that holds them (or where ``--to`` says), and to the
    MLflow run.

    Args:
        name: how the run's identity or MLflow id begins.
        beside: the same of the other run; None takes source-only of the same setting and seed, if there is one.

    Raises:
        UserError: no such run, or it kept neither network nor label maps.
    """
    tracker = workspace.tracker()
    tracker.check_address()
    run = find_run(tracker, name)
    other = find_run(tracker, beside) if beside else find_source_only(tracker, run)
    note = "" if other else _why_alone(run)
    if run.spec.benchmark != (other or run).spec.benchmark:
        raise UserError(f"{beside} is a run of {(other or run).spec.benchmark}, not of {run.spec.benchmark}")
    sides = [side for side in (other, run) if side is not None]
    if benchmark_of(run.spec.benchmark).task == "segmentation":
        drawn = _label_map_figures(tracker, sides)
    else:
        networks = [load_trained(workspace, side) for side in sides]
        drawn = _network_figures(networks, _splits(run.spec, workspace.root), _deltas(run))
    folder = workspace.make_page_folder(f"figures/{run.run_id}")
    files = _save(drawn, folder)
    if tracker.can_only_be_read:
        note = f"{note} They are not kept with the MLflow run, as its store can only be read.".lstrip()
    else:
        for path in files.values():
            tracker.add_file(run, path, "figures")
    (folder / "figures.html").write_text(page.html(_page(files, drawn, sides, tracker.uri, note)), encoding="utf-8")
    return DrawnFigures(
        run_id=run.run_id, beside=other.run_id if other else None, note=note,
        files={name: str(path) for name, path in files.items()}, page=str(folder / "figures.html"),
        link=run_link(tracker.uri, run.experiment_id, run.mlflow_run_id),
    )  # fmt: skip


def _why_alone(run: TrackedRun) -> str:
    """Why no run stands beside this one."""
    if run.spec.method == "source_only":
        return "It is source-only itself, beside which other runs are drawn; --beside RUN puts one there."
    return "No finished source-only run of the same setting and seed is there to stand beside it."


def _splits(spec: RunSpec, root: str) -> Splits:
    benchmark = benchmark_of(spec.benchmark).for_training(spec.training)
    return load.splits_of(spec, benchmark, method_plugin(spec.method), root)


def _network_figures(sides: Sequence[TrainedRun], splits: Splits, deltas: Deltas) -> dict[str, tuple[Figure, str]]:
    """Each figure with its caption."""
    benchmark, test = benchmark_of(sides[0].run.spec.benchmark), splits.target_test
    if test is None:
        raise UserError(f"figures are drawn of the labelled target test, which {benchmark.name} does not have")
    return {
        "tsne": (
            tsne_figure(sides, splits.source_validation, test, benchmark.classes),
            "t-SNE of the last hidden layer: held-out source and target test, 500 images of each at most, the same"
            " settings for each network (Fig. 4).",
        ),
        "gradcam": (
            grad_cam_figure(sides, test, deltas, benchmark.classes),
            "Grad-CAM of the class that each network predicts, without and with adversarial dropout of"
            f" {100 * deltas.delta_c:g} % of the channels and {100 * deltas.delta_e:g} % of the hidden units"
            " (Figs. 3, A-1); the first target test image of each class.",
        ),
    }


def _label_map_figures(tracker: Tracker, sides: Sequence[TrackedRun]) -> dict[str, tuple[Figure, str]]:
    """Strips of label maps (Fig. 5) and the last run's worst images, each with its caption."""
    kept = {
        spell_method(run.spec.method): (run, label_strips.load_scenes(tracker, run))
        for run in sides
        if _has_scenes(tracker, run)
    }
    benchmark = benchmark_of(sides[-1].spec.benchmark)
    return {Path(file).stem: drawn for file, drawn in label_strips.draw_strips(kept, benchmark).items()}


def _has_scenes(tracker: Tracker, run: TrackedRun) -> bool:
    if run.status != "FINISHED" or not tracker.has_file(run, scenes.FOLDER):
        raise UserError(f"{run.run_id} ({run.state}) kept no label maps, as a finished run does")
    return True


def _deltas(run: TrackedRun) -> Deltas:
    """The deltas that the run was trained with; the usual ones if these are zero."""
    params = run.spec.params
    own = Deltas(float(params.get("delta_c", 0)), float(params.get("delta_e", 0)))
    return own if own.delta_c or own.delta_e else USUAL_DELTAS


def _save(drawn: dict[str, tuple[Figure, str]], folder: Path) -> dict[str, Path]:
    for name, (figure, caption) in drawn.items():
        figure.savefig(folder / f"{name}.png", dpi=130, metadata={"Description": caption})
    return {name: folder / f"{name}.png" for name in drawn}


def _page(
    files: dict[str, Path], drawn: dict[str, tuple[Figure, str]], sides: Sequence[TrackedRun], uri: str, note: str
) -> page.Page:
    """All figures on one page that needs no network."""
    run = sides[-1]
    links = [
        (label_run(side.spec.method, {}, seed=side.spec.seed), run_link(uri, side.experiment_id, side.mlflow_run_id))
        for side in sides
    ]
    shown = [page.Figure(_inline(path, drawn[name][1]), drawn[name][1], links) for name, path in files.items()]
    methods = " and ".join(spell_method(side.spec.method) for side in sides)
    answer = f"{methods} on {run.spec.backbone}, seed {run.spec.seed}, last epoch."
    section = page.Section("figures", "Figures", figures=shown, commands=[f"dta-bench figures {run.run_id}"])
    return page.Page(
        f"{run.spec.benchmark}: {run.name}", "dta-bench figures", answer, (), [note] if note else [], [section]
    )


def _inline(path: Path, caption: str) -> Markup:
    data = base64.b64encode(path.read_bytes()).decode()
    return Markup('<img alt="{}" src="data:image/png;base64,{}">').format(caption, data)
