"""The methods, a file each with ``Params`` and ``loss`` or ``Method``; the file's name is the method's name."""
