"""One file = one domain pair; files that start with an underscore hold what several of them share."""
