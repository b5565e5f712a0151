"""Networks, losses, and what methods share."""
