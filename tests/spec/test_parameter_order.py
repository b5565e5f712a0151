"""Labels name parameters in the order of the search space."""

from dta_bench.spec.parameter_order import in_space_order


def test_parameters_of_the_search_space_come_first_in_its_order() -> None:
    params = {"delta_c": 0.1, "epsilon": 15, "kl": "classes", "lambda_2": 0.01, "lambda_3": 0.2}
    assert list(in_space_order("visda", "dta", params)) == ["lambda_2", "lambda_3", "delta_c", "epsilon", "kl"]
    assert in_space_order("visda", "dta", params) == params


def test_parameters_that_no_space_of_the_benchmark_sweeps_have_the_papers_order() -> None:
    assert list(in_space_order("my_own_pair", "dta", {"delta_c": 0.1, "lambda_2": 0.01})) == ["lambda_2", "delta_c"]


def test_a_method_with_sets_of_its_own_has_their_order() -> None:
    assert list(in_space_order("visda", "mcd", {"class_balance": 0, "repeats": 4})) == ["repeats", "class_balance"]
