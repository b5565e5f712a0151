"""``python -m dta_bench`` is ``dta-bench``."""

import sys

if not sys.flags.safe_path:  # Python has put the working directory first: a random.py in it must not hide the library
    sys.path.append(sys.path.pop(0))

from dta_bench.cli import main

main()
