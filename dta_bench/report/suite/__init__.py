"""The report of a suite: methods by pairs, averages over pairs, and what is missing."""
