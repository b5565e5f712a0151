"""A report says which of its runs were made by several versions of the code or on data of an older fingerprint."""

from small_runs import spec_of
from stored_runs import Runs, report_of, screen_of

from dta_bench.data.benchmark_plugin import benchmark_of

LISTING = "b" * 64
CONTENT = f"content-1:{'a' * 64}:{LISTING}"


def two_runs(key: str, *values: str) -> Runs:
    runs = Runs()
    for seed, value in enumerate(values):
        runs.add(spec_of(seed=seed, lambda_1=seed + 1), 0.5)
        runs.tracked[-1].tags[key] = value
    return runs


def test_mixed_code_is_told() -> None:
    mixed = report_of(two_runs("code_fingerprint", "ast1:1", "ast1:2"), benchmark_of("fonts_digits"))
    assert len(mixed.mixed_code or []) == 1
    assert "Mixed code: runs of" in " ".join(screen_of(mixed).split())
    same = report_of(two_runs("code_fingerprint", "ast1:1", "ast1:1"), benchmark_of("fonts_digits"))
    assert "Mixed code" not in screen_of(same)


def test_runs_of_an_older_data_fingerprint_stand_beside_those_of_the_same_listing() -> None:
    report = report_of(two_runs("data_fingerprint", LISTING, CONTENT), benchmark_of("fonts_digits"))
    assert (report.left_out, report.unverified_data) == (0, 1)
    assert "Contents not verified" in screen_of(report)


def test_runs_of_other_contents_are_not_compared() -> None:
    other = CONTENT.replace("a", "f")
    report = report_of(two_runs("data_fingerprint", other, CONTENT), benchmark_of("fonts_digits"))
    assert report.left_out == 1
