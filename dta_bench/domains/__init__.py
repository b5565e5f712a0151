"""What a benchmark is made of: image sets, domain pairs, files and downloads."""
