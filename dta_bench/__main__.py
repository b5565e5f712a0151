"""``python -m dta_bench`` is ``dta-bench``."""

from dta_bench.cli import main

main()
