"""Names and numbers: run specs, search spaces, plans; no data and no network."""
