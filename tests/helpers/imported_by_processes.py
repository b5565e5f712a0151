"""What the processes of tests import before they are told what to do; see ``other_processes``."""

import os

os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")  # as the program does, so that no thread is started

import mlflow  # noqa: F401
import torch

import dta_bench.run.execute  # noqa: F401

torch.set_num_threads(1)
