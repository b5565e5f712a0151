"""Published recipes: what is printed, and what the runs of a store say."""
