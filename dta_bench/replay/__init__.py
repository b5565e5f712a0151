"""Searches replayed on the kept table of a complete grid: what would have been found, after how many epochs.

Nothing is trained: a replay reads a run's curve from the table epoch by epoch, and asks the very searches and stop
rules that a sweep uses.
"""
