"""Features of a frozen network: computed once for each image and view, and kept on this machine for all runs."""
