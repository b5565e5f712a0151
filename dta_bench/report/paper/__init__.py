"""The tables of the paper, printed and ours side by side."""
