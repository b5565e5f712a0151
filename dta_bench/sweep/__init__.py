"""One search space on Ray Tune with Optuna: which runs it has, which of them are done, and training the others.

A sweep is a set of runs, each known by its RunSpec's hash. One command starts a sweep, shows where it stands and
resumes it. All that starts or joins a Ray is in ``on_ray``.
"""
