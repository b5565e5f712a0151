"""Predictions of new images by a run's network: which run, which images, and where the predictions go."""
