"""How many units dropout chooses among."""

from dta_bench.data.benchmark_plugin import benchmark_of
from dta_bench.run.preflight import dropout_units


def test_the_small_networks_masks_choose_among_its_64_maps_and_256_hidden_units() -> None:
    assert dropout_units(benchmark_of("fonts_digits"), "conv3_fc2") == {"delta_c": 64, "delta_e": 256}
