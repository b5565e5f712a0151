"""``<table>.json``: a table of the paper, as printed and from our runs."""

from __future__ import annotations

from dta_bench.report.document.frozen_record import Document, FrozenRecord, Params
from dta_bench.report.document.published_figures import LaterWork, PrintedMetric
from dta_bench.report.document.scores import TargetScores


class OurScores(TargetScores):
    """Target test scores of our configuration for a cell, and how it was trained and chosen."""

    params: Params
    epochs: int
    weights: str
    compared: int
    """Configurations among which the labelled subset chose."""
    mlflow_run_ids: list[str]


class PaperCell(FrozenRecord):
    """One printed figure, with ours beside it or the command that would fill it."""

    row: str
    benchmark: str
    method: str | None
    metric: PrintedMetric
    note: str | None
    per_class: dict[str, float] | None
    recomputed: dict[str, float] | None
    backbone: str
    own_network: bool
    """Whether the printed figure is from a network of its authors' own, and ours from another."""
    printed: float
    ours: OurScores | None
    command: str | None


class PaperTable(Document):
    """A table of the paper; ``run`` counts the cells with runs of ours, ``links`` lead to MLflow by benchmark."""

    paper: str
    title: str
    cells: list[PaperCell]
    run: int
    links: dict[str, str]
    beyond_the_paper: list[LaterWork]
