"""Processes that tests start have the libraries of a run at their start, which take seconds to import."""

from other_processes import exit_code_of, loaded_already


def test_they_begin_with_what_the_server_imported_for_all() -> None:
    assert exit_code_of(loaded_already) == 0
