"""Methods: one file each, ``Params`` and ``loss(net, source, target, epoch, params)``; the file name is its name."""
