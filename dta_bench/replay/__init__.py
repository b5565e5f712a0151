"""Searches replayed on a complete grid that was kept: what they would have chosen, after how many epochs of training.

Nothing is trained: a replay reads each run's kept curves epoch by epoch, and asks the searches and stop rules of a
sweep.
"""
