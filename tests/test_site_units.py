"""How many units dropout chooses among."""

from dta_bench.execution import benchmark_of, site_units


def test_the_small_networks_masks_choose_among_its_64_maps_and_256_hidden_units() -> None:
    assert site_units(benchmark_of("fonts_digits"), "conv3_fc2") == {"delta_c": 64, "delta_e": 256}
