"""One file defines one domain pair; files that begin with an underscore hold what several pairs share."""
