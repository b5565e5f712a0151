"""A sweep's runs of small heads on kept features, trained in stacks, without Ray."""
