"""From a benchmark's files to the batches of a run."""
