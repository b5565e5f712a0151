"""How a report labels its configurations."""

from __future__ import annotations

from collections.abc import Sequence

from dta_bench.report.document.report import Report
from dta_bench.report.document.scores import ChosenConfiguration, LeaderboardRow, differing_params
from dta_bench.report.document.without_test import WithoutTest
from dta_bench.spec.spelling import count_of, label_run


def label_row(row: LeaderboardRow | ChosenConfiguration, names: Sequence[str], several_backbones: bool) -> str:
    """A configuration's method, its backbone where several are compared, and its values of the parameters ``names``."""
    params = {name: row.params[name] for name in names if name in row.params}
    label = label_run(row.method, params, backbone=row.backbone if several_backbones else None)
    return f"{label} (confirmed earlier)" if isinstance(row, LeaderboardRow) and row.confirmed_earlier else label


def label_choice(report: Report, chosen: ChosenConfiguration) -> str:
    """The label of what a rule chose, among all configurations that it could choose from."""
    rows = report.competing
    return label_row(chosen, differing_params(rows), len({row.backbone for row in rows}) > 1)


def describe_source(known: WithoutTest) -> str:
    """What a score on held-out source is over, and why it has no interval: it would be one of the source alone."""
    images = "" if known.source_images is None else f"{count_of(known.source_images, 'image')} of "
    return f"{images}another domain, no interval as it tells nothing of the target"
