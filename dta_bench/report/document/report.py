"""``report.json``: everything that the forms of a report are drawn from."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from dta_bench.report.document.frozen_record import Document
from dta_bench.report.document.published_figures import PublishedRow
from dta_bench.report.document.replay import ReplayedSearch
from dta_bench.report.document.run_details import (
    ConfusionMatrix,
    Cost,
    EarlyStop,
    EndedRun,
    LabelledSubset,
    LeftOut,
    Picture,
    Provenance,
    SeedCurves,
)
from dta_bench.report.document.scores import (
    Averages,
    ChosenConfiguration,
    Comparison,
    Confirmation,
    Difference,
    LabelBudgetRow,
    LeaderboardRow,
    Regret,
    RuleRow,
    TargetScores,
)
from dta_bench.report.document.without_test import WithoutTest
from dta_bench.spec.run_spec import Headline, Training
from dta_bench.spec.target_labels import TargetLabels


class Report(Document):
    """A benchmark's runs under a selection rule; scores in percent, differences in points.

    Where runs differ in training, labelled subset or data, it is about the largest comparable group. The fields from
    ``rules`` on are parts that are made only on demand or only where the runs kept what they need.
    """

    schema_version: Literal[2] = 2  # type: ignore[assignment]
    benchmark: str
    source: str
    target: str
    headline: Headline
    rule: str
    runs: int
    left_out: int
    """Configurations of other training, labelled subset or data."""
    compared: int
    """Configurations that the rule chose from."""
    too_few_seeds: int
    """Configurations that do not compete because they have fewer seeds than others."""
    target_labels: TargetLabels = "both"
    """Which labels of the target the runs had. Without a test ``test``, ``regret``, ``difference`` and ``comparisons``
    are None, and without a subset ``subset`` and ``validation`` are."""
    subset: LabelledSubset | None
    confirmation: Confirmation = Confirmation(seeds=[], requested=0, done=0)
    untested: list[str] = Field(default_factory=list)
    """Methods that are left out of ``comparisons``, because they alone have no confirmation runs."""
    selected: ChosenConfiguration | None
    validation: Averages | None
    """Scores of the selected configuration on the labelled subset."""
    inflation: float | None
    """By how much the labelled subset's score of the selected configuration exceeds its target test score."""
    regret: Regret | None
    test: TargetScores | None
    """Target test scores of the selected configuration; those of the baselines follow."""
    source_only: TargetScores | None
    target_only: TargetScores | None
    difference: Difference | None
    comparisons: list[Comparison] | None
    leaderboard: list[LeaderboardRow]
    collapsed: list[str]
    failed: dict[str, str]
    stopped: dict[str, EarlyStop]
    unfinished: list[str]
    whole: Averages | None
    """Scores on target test with the labelled subset put back in, where it had been left out."""
    enlarged_labels: Averages | None = None
    """Scores on target test where predicted labels are enlarged to the size of the label maps, not logits."""
    unreadable: list[str]
    disagreements: list[str] = Field(default_factory=list)
    """Runs of which an archive that was merged has other scores or fingerprints: who has what."""
    lost_classes: dict[str, list[str]] = Field(default_factory=dict)
    """Runs that did not collapse but have nearly lost a class: its accuracy is under a tenth of the mean of all."""
    old_fingerprints: int = 0
    """Runs whose code fingerprint is of the old scheme."""
    unverified_data: int = 0
    """Runs whose data fingerprint is of an older scheme than that of other runs: paths, sizes and labels alone."""
    mixed_code: list[str] | None = None
    """Methods on a backbone whose runs were made by several versions of the code."""
    recipes: list[str] | None = None
    """Published recipes that runs followed; of one that was changed, the name says so. Only where there are some."""
    trained_parts: list[str] | None = None
    """Which part of the network trains, on which kept features, in words; None where all of it does."""
    repeated_runs: int = 0
    """Finished or unfinished runs left out because another run of the same spec and seed stands for them."""
    newer_runs: int = 0
    """Runs left out because their spec has fields of a newer version."""
    refused_specs: list[str] | None = None
    """Of each run left out because this version does not allow its stored spec: its name, and why."""
    budget: str | None = None
    """What all stages of each run together could train; None: as many epochs as the training says for each stage."""
    budgets_left_out: list[str | None] | None = None
    """Other budgets of configurations that are left out, None among them for no budget; None where there are none."""
    left_out_runs: list[LeftOut] | None = None
    """The runs of the configurations that ``left_out`` counts, by what differs; None where there are none."""
    published: list[PublishedRow]
    training: Training
    provenance: Provenance
    without_test: WithoutTest | None = None
    """What is known of the selected configuration where no labelled target test is there."""
    default_rule: str | None = None
    """Why the rule is the default, where it needs no target label and the user named none."""
    rules: list[RuleRow] | None = None
    label_budget: list[LabelBudgetRow] | None = None
    label_budget_unavailable: str | None = None
    link: str | None = None
    curves: dict[str, list[SeedCurves]] | None = None
    """By side: ``selected``, ``source_only``, ``target_only``; so is ``confusion``."""
    confusion: dict[str, ConfusionMatrix] | None = None
    other_curves: dict[str, list[SeedCurves]] | None = None
    """By method, of what the rule chose of each further method: the curves that a page draws."""
    other_classes: dict[str, dict[str, float | None]] | None = None
    """By method, of the same: target test by class, mean over seeds."""
    cost: Cost | None = None
    ended: list[EndedRun] | None = None
    lost_since: dict[str, dict[str, int]] | None = None
    """Of ``lost_classes``, for the first runs: class → the epoch since when it is so on the labelled subset. Only where
    runs kept that."""
    commands: list[str] | None = None
    replay: list[ReplayedSearch] | None = None
    pictures: list[Picture] | None = None

    @property
    def competing(self) -> list[LeaderboardRow]:
        """The rows of the leaderboard that the rule chose from, best first."""
        return [row for row in self.leaderboard if row.competes]

    def other_rows(self) -> dict[str, LeaderboardRow]:
        """The leaderboard's first row of each method that is no side, on the selected backbone, best first."""
        sides = [row.method for row in self.rows_by_side().values()]
        backbone = self.selected.backbone if self.selected else None
        found = dict[str, LeaderboardRow]()
        for row in self.leaderboard:
            if row.method not in sides and backbone in (None, row.backbone):
                found.setdefault(row.method, row)
        return found

    def rows_by_side(self) -> dict[str, LeaderboardRow]:
        """The leaderboard's first row of each side, baselines on the selected backbone.

        Returns:
            ``selected``, ``source_only`` and ``target_only`` → row, without the sides that were not run.
        """
        sides = {"selected": self.competing[0]} if self.selected else {}
        for baseline in ("source_only", "target_only"):
            for row in self.leaderboard:
                if row.method == baseline and (self.selected is None or row.backbone == self.selected.backbone):
                    sides.setdefault(baseline, row)
        return sides

    def scores_by_side(self) -> dict[str, TargetScores]:
        """Side → target test scores, for the sides that were run."""
        sides = {"selected": self.test, "source_only": self.source_only, "target_only": self.target_only}
        return {side: scores for side, scores in sides.items() if scores is not None}

    def with_parts(self, **parts: Any) -> Report:
        """The same report with further parts, whose types are checked."""
        return Report(**{name: getattr(self, name) for name in self.model_fields_set} | parts)
