"""Runs beside published numbers: selection after the fact, and one table on the screen, as a page and as JSON."""
