"""A sweep's runs on Ray: its start, its workers, its nodes, and Ray Tune's search over the runs."""
