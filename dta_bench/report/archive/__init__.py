"""Results as archives that others can add to: written, checked, and merged into a store."""
