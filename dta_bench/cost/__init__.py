"""What a step, a run and a sweep cost: FLOPs, time, memory, and the data path."""
