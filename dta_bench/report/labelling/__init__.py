"""What a user is asked to label: which images, on which page, in which list."""
