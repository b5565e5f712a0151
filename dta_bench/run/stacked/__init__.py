"""Runs that are trained side by side in one process."""
