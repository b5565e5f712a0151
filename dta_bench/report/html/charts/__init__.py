"""Drawings of the report, as SVG that follows the page's colours: light, dark or print."""
