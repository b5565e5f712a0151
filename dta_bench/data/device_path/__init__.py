"""Images go to the device as bytes; what follows the host's part of their augmentation is done there."""
