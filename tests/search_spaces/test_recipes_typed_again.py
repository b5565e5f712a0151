"""A sample of each recipe, typed again by hand from its source: a slip of the pen has to be made twice to pass."""

from typing import Any

import pytest

from dta_bench import plugins
from dta_bench.spec import recipe as recipes

TYPED: dict[str, dict[str, Any]] = {
    # thuml/Transfer-Learning-Library at c4aa59e: the .sh of each method, defaults from its .py, README.md's table
    "dann_visda_resnet101": {
        "learning_rate": 0.01, "weight_decay": 1e-3, "batch_size": 32, "steps": 30_000, "gamma": 0.001, "width": 1024,
        "discriminator_depth": 2, "printed": 79.5,
    },
    "cdan_visda_resnet101": {
        "learning_rate": 0.01, "weight_decay": 1e-3, "batch_size": 32, "steps": 30_000, "entropy": False,
        "printed": 80.1,
    },
    "mcc_visda_resnet101": {
        "learning_rate": 0.002, "batch_size": 36, "steps": 30_000, "temperature": 3, "gamma": 0.001, "printed": 83.6,
    },
    "jan_visda_resnet101": {
        "learning_rate": 0.003, "weight_decay": 5e-4, "steps": 10_000, "gamma": 0.0003, "printed": 73.4,
    },
    "dan_visda_resnet101": {
        "learning_rate": 0.003, "weight_decay": 5e-4, "batch_size": 32, "steps": 10_000, "gamma": 0.0003,
        "discrepancy_ramp": False, "printed": 66.4,
    },
    "mdd_visda_resnet101": {
        "learning_rate": 0.004, "weight_decay": 5e-4, "batch_size": 36, "steps": 30_000,
        "schedule_options": {"gamma": 0.0002, "power": 0.75},
        "reversal": 0.1, "printed": 82.0,
    },
    "afn_visda_resnet101": {
        "learning_rate": 0.001, "weight_decay": 5e-4, "batch_size": 36, "steps": 10_000, "step": 0.3, "weight": 0.05,
        "nesterov": False, "schedule": None, "rates": {}, "printed": 75.0,
    },
    # cuishuhao/BNM DA/BNM/train_image.py
    "bnm_visda_resnet101": {
        "learning_rate": 0.001, "batch_size": 36, "steps": 6000, "rates": {"head": 10}, "power": 0.75, "printed": None,
    },
    # tim-learn/SHOT object/run.sh, image_target.py, results.md
    "shot_visda_resnet101": {
        "learning_rate": 1e-3, "weight_decay": 1e-3, "batch_size": 64, "epochs": 15, "schedule": "inverse_progress",
        "gamma": 10, "power": 0.75, "weight": 0.3, "label_smoothing": 0.1, "printed": 82.9,
    },
    # val-iisc/SDAT issue 3 and examples/run_visda.sh
    "sdat_visda_resnet101": {
        "learning_rate": 0.002, "steps": 30_000, "rho": 0.02, "temperature": 3.0, "batch_size": 32, "printed": 84.3,
    },
    "sdat_visda_vit_base": {
        "learning_rate": 0.002, "steps": 15_000, "rho": 0.02, "temperature": 2.0, "batch_size": 32, "printed": 89.8,
    },
    # lhoyer/MIC cls/experiments.py
    "mic_visda_vit_base": {
        "learning_rate": 0.002, "steps": 15_000, "batch_size": 32, "ratio": 0.7, "keep": 0.9, "printed": 92.8,
    },
    # Britefury/self-ensemble-visual-domain-adapt batch_search_exp.sh
    "se_mnist_usps_conv3_fc2": {"batch_size": 256, "epochs": 300, "balance": 0, "weight": 3, "printed": 98.1},
    "se_usps_mnist_conv3_fc2": {"batch_size": 256, "epochs": 300, "learning_rate": 0.001, "printed": 97.3},
    "se_svhn_mnist_conv9_fc1": {"batch_size": 256, "epochs": 300, "alpha": 0.99, "printed": 98.6},
    # RuiShu/dirt-t run_dirtt.py, codebase/train.py and codebase/models/dirtt.py
    "vada_svhn_mnist_conv9_fc1": {
        "steps": 80_000, "batch_size": 64, "learning_rate": 1e-3, "betas": (0.5, 0.999), "lambda_d": 0.01,
        "epsilon": 3.5, "alpha": 0.998, "printed": 94.5,
    },
    "dirt_t_svhn_mnist_conv9_fc1": {"steps": 80_000, "beta": 0.01, "refreshes": 80_000 / 5000, "printed": 99.4},
    # mil-tokyo/MCD_DA classification/main.py
    "mcd_svhn_mnist_conv9_fc1": {"learning_rate": 2e-4, "weight_decay": 5e-4, "batch_size": 128, "repeats": 4},
    # wasidennis/AdaptSegNet train_gta2cityscapes_multi.py and README.md
    "adaptsegnet_gta5_cityscapes_deeplabv2_resnet101": {
        "learning_rate": 2.5e-4, "weight_decay": 0.0005, "batch_size": 1, "steps": 150_000, "iterations": 250_000,
        "power": 0.9, "weight": 0.001, "judge_rate": 1e-4, "printed": 41.4,
    },
    # valeoai/ADVENT advent/domain_adaptation/config.py
    "advent_gta5_cityscapes_deeplabv2_resnet101": {
        "learning_rate": 2.5e-4, "steps": 120_000, "iterations": 250_000, "judge_rate": 1e-4, "rates": {"head": 10},
    },
    # YanchaoYang/FDA README.md and options/train_options.py, Table 1 of the paper
    "fda_gta5_cityscapes_deeplabv2_resnet101": {
        "steps": 100_000, "iterations": 150_000, "beta": 0.01, "entropy_weight": 0.005, "eta": 2, "entropy_from": 0,
        "printed": 44.61,
    },
    # vikolss/DACS configs/configUDA.json
    "dacs_gta5_cityscapes_deeplabv2_resnet101": {
        "steps": 250_000, "batch_size": 2, "crop": (512, 512), "weight_decay": 5e-4, "keep": 0.99, "threshold": 0.968,
        "printed": 52.1,
    },
    # lhoyer/DAFormer configs/_base_/schedules/adamw.py, poly10warm.py and the experiment's own file
    "daformer_gta5_cityscapes_mit_b5": {
        "steps": 40_000, "learning_rate": 6e-5, "learning_rate_warm_up": 1500, "weight_decay": 0.01, "power": 1,
        "rates": {"head": 10}, "batch_size": 2, "printed": 68.3,
    },
}  # fmt: skip


def stated(name: str) -> dict[str, Any]:
    """All that a recipe states, by name; ``steps`` are its epochs times their iterations."""
    recipe = recipes.read(name)
    training = recipe.training.model_dump()
    steps = recipe.training.epochs * (recipe.training.iterations_per_epoch or 0)
    return training | recipe.training.schedule_options | recipe.parameters | {
        "steps": steps, "printed": recipe.printed.value,
    }  # fmt: skip


@pytest.mark.parametrize("name", TYPED)
def test_a_recipe_agrees_with_its_source(name: str) -> None:
    found = stated(name)
    assert {key: found[key] for key in TYPED[name]} == TYPED[name]


def test_every_shipped_recipe_was_typed_again() -> None:
    assert set(TYPED) == set(plugins.names("recipe"))
