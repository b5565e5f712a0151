"""One RunSpec: resolved, trained, measured and tracked."""
