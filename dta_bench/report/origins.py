"""Where the figures of a report come from: its labelled subset, code, data, and the images that were left out."""

from __future__ import annotations

from collections.abc import Sequence

from dta_bench.domains import data_fingerprint
from dta_bench.report.configurations import Configuration
from dta_bench.report.document.run_details import LabelledSubset, Provenance
from dta_bench.tracking import DISAGREEMENT, RECIPE

ERROR = ", largest relative error "  # stands in that tag before the error, where features are rounded
FEATURES = "note_features"  # the tag of a run with the features that it was trained on
UNREADABLE = "note_unreadable"  # the tag of a run that left images out


def labelled_subset(group: list[Configuration]) -> LabelledSubset | None:
    """The labelled subset that the runs of a group had; None where they had none."""
    first = group[0].runs[0]
    drawn, size = first.spec.label_subset, first.spec.label_subset.size
    if not drawn.is_there:
        return None
    if drawn.given:
        size = len(first.fetch(("target_validation_ids",)).get("target_validation_ids", ()))
    return LabelledSubset.of(drawn, first.tracked.tags.get("subset_hash", ""), _label_questions(group), size)


def _label_questions(group: list[Configuration]) -> int:
    """How often the labelled subset was asked for its labels: once an epoch of each run, as each run counted."""
    runs = [r.tracked for c in group for r in c.every_run]
    return sum(int(run.metrics.get("validation/asked", run.spec.training.epochs)) for run in runs)


def count_unverified(group: list[Configuration]) -> int:
    """Runs with a fingerprint of the scheme before that of others in the group."""
    marks = [run.tracked.tags.get("data_fingerprint", "") for c in group for run in c.every_run]
    of_contents = sum(map(data_fingerprint.is_of_contents, marks))
    return len(marks) - of_contents if of_contents else 0


def mixed_code(group: Sequence[Configuration]) -> list[str]:
    """Methods on a backbone whose runs have several code fingerprints, each with these, in words."""
    marks: dict[tuple[str, str], set[str]] = {}
    for configuration in group:
        for run in configuration.every_run:
            mark = run.tracked.tags.get("code_fingerprint", "not recorded")
            marks.setdefault((configuration.method, configuration.backbone), set()).add(mark)
    return [f"{method} on {backbone} ({', '.join(sorted(m))})" for (method, backbone), m in marks.items() if len(m) > 1]


def followed_recipes(group: Sequence[Configuration]) -> list[str]:
    """Recipes that runs say they followed, each once."""
    tags = [run.tracked.tags for configuration in group for run in configuration.every_run]
    return sorted({found[RECIPE] for found in tags if RECIPE in found})


def trained_parts(group: Sequence[Configuration]) -> list[str]:
    """Which part of the network the runs trained, each once, with the kept features; nothing where all of it trained.

    Features that differ in their error alone are one, with the largest error.
    """
    said = dict[str, dict[str, str]]()
    for run in (run for configuration in group for run in configuration.every_run):
        training = run.spec.training
        if training.tune != "all":
            width = training.neck_width
            neck = "" if width is None else f", a bottleneck of {width}" if width else ", a linear probe"
            features = run.tracked.tags.get(FEATURES, "")
            kept, _, error = features.partition(ERROR)
            known = said.setdefault(f"tune {training.tune}{neck}", {})
            known[kept] = max(known.get(kept, ""), error, key=lambda text: float(text or 0))
    return [
        part + ("; features: " if any(known) else "") + " or ".join(_with_error(*one) for one in sorted(known.items()))
        for part, known in sorted(said.items())
    ]


def _with_error(kept: str, error: str) -> str:
    return f"{kept}{ERROR}{error}" if error else kept


def unreadable(group: list[Configuration]) -> list[str]:
    """What the runs said of the images that they left out, each sentence once."""
    tags = [run.tracked.tags for c in group for run in c.every_run]
    return sorted({found[UNREADABLE] for found in tags if UNREADABLE in found})


def disagreements(group: Sequence[Configuration]) -> list[str]:
    """Runs of which a merged archive has other scores or fingerprints, each with these, in words."""
    runs = [run.tracked for configuration in group for run in configuration.every_run]
    return [f"{run.name} ({run.tags[DISAGREEMENT]})" for run in runs if DISAGREEMENT in run.tags]


def provenance(group: list[Configuration]) -> Provenance:
    """The code, machines and data that the runs name, each once."""
    runs = [r.tracked for c in group for r in c.every_run]
    return Provenance(**{key: sorted({run.tags.get(key, "") for run in runs}) for key in Provenance.model_fields})
