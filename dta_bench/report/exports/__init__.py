"""A report's tables and figures as files for other programs: CSV, Parquet, LaTeX, PDF and SVG."""
