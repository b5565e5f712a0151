"""Selection rules: which configuration is chosen, by what."""
