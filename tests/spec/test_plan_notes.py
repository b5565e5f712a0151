"""A dry run says where more epochs add hardly anything, since the learning rate falls by epochs."""

from __future__ import annotations

from dta_bench import plugins
from dta_bench.cli.arguments import options_of, plan_of
from dta_bench.spec import plan_notes


def test_a_rate_that_has_all_but_vanished_is_told_with_the_setting_that_keeps_it_up() -> None:
    assert plan_notes.notes(plan_of("fonts_digits", options_of(epochs=50)))[-1] == (
        "the learning rate is multiplied by 0.1 every 15 epochs, so that of it 1e-03 is left in epoch 50; "
        "--training decay_every=N keeps it up for longer"
    )
    longer = plan_of("fonts_digits", options_of(epochs=50, training=["decay_every=40"]))
    assert not any("learning rate" in note for note in plan_notes.notes(longer))


def test_no_shipped_search_space_ends_like_that() -> None:
    for name in set(plugins.names("search_space")) - {"paper_sets"}:
        assert not any("learning rate" in note for note in plan_notes.notes(plan_of(name, options_of())))
