"""What a network scores on a set of images."""
