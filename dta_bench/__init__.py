"""dta-bench: distributed sweeps and honest tables for Drop to Adapt and everything it is compared with."""

__version__ = "0.1.0"
