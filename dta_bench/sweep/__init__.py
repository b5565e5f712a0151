"""One search space on Ray Tune with Optuna: what to run, what is done, and doing the rest.

A sweep is a set of runs, each known by its RunSpec's hash; starting, looking at and resuming a sweep are the same
command. ``search`` is the only module that knows Optuna, ``launch`` the only one that knows Ray.
"""
