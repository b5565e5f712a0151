"""A report says which runs have a code fingerprint of the old scheme."""

import pytest
from small_runs import spec_of
from stored_runs import Runs, markdown_of, report_of

from dta_bench.data.benchmark_plugin import benchmark_of


@pytest.mark.parametrize(("mark", "said"), [("0e0b16e371a5", True), ("ast1:0e0b16e371a5", False)])
def test_runs_of_the_old_scheme_are_counted_in_every_report(mark: str, said: bool) -> None:
    runs = Runs()
    runs.add(spec_of(), 0.5)
    runs.add(spec_of(seed=1), 0.5)
    for run in runs.tracked:
        run.tags["code_fingerprint"] = mark
    report = report_of(runs, benchmark_of("fonts_digits"))
    assert report.old_fingerprints == 2 * said
    assert ("Runs with a code fingerprint of the old scheme: 2. A sweep counts" in markdown_of(report)) is said
