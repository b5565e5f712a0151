"""Notes of tests that inject faults: what was injected, and what came of it."""

from collections.abc import Callable

Note = Callable[[str, str], None]
