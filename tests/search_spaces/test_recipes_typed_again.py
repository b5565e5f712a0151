"""A sample of each recipe, typed again by hand from its source: a slip of the pen has to be made twice to pass."""

from typing import Any

import pytest

from dta_bench import plugins
from dta_bench.spec import recipe as recipes

OFFICE31 = ("amazon -> webcam", "dslr -> webcam", "webcam -> dslr", "amazon -> dslr", "dslr -> amazon",
            "webcam -> amazon")  # fmt: skip
OFFICE_HOME = (
    "art -> clipart", "art -> product", "art -> real_world", "clipart -> art", "clipart -> product",
    "clipart -> real_world", "product -> art", "product -> clipart", "product -> real_world", "real_world -> art",
    "real_world -> clipart", "real_world -> product",
)  # fmt: skip


def columns(pairs: tuple[str, ...], *figures: float) -> dict[str, float]:
    """The columns of a row of a source's table, by pair."""
    return dict(zip(pairs, figures, strict=True))


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
    # the same on Office-31: "ResNet50, Office31, Single Source" in each .sh
    "dann_office31_resnet50": {
        "learning_rate": 0.01, "weight_decay": 1e-3, "batch_size": 32, "steps": 20_000, "gamma": 0.001, "width": 1024,
        "ramp_rate": 20, "printed": 86.1, "pairs": columns(OFFICE31, 91.4, 97.9, 100, 83.6, 73.3, 70.4),
    },
    "cdan_office31_resnet50": {
        "learning_rate": 0.01, "weight_decay": 1e-3, "batch_size": 32, "steps": 20_000, "entropy": False,
        "ramp_rate": 20, "printed": 87.7, "pairs": columns(OFFICE31, 93.8, 98.5, 100, 89.9, 73.4, 70.4),
    },
    "mcc_office31_resnet50": {
        "backbone": "resnet50_bottleneck_1024", "learning_rate": 0.005, "batch_size": 36, "steps": 10_000,
        "temperature": 2.5, "gamma": 0.001, "printed": 89.6,
        "pairs": columns(OFFICE31, 94.1, 98.4, 99.8, 95.6, 75.5, 74.2),
    },
    "mdd_office31_resnet50": {
        "backbone": "resnet50_mdd", "learning_rate": 0.004, "weight_decay": 5e-4, "batch_size": 32, "steps": 20_000,
        "schedule_options": {"gamma": 0.0002, "power": 0.75}, "ramp_rate": 20, "printed": 89.6,
        "pairs": columns(OFFICE31, 95.6, 98.6, 100, 94.4, 76.6, 72.2),
    },
    "jan_office31_resnet50": {
        "learning_rate": 0.003, "weight_decay": 5e-4, "batch_size": 32, "steps": 10_000, "gamma": 0.0003,
        "adversarial": False, "printed": 87.0, "pairs": columns(OFFICE31, 93.7, 98.4, 100, 89.4, 69.2, 71),
    },
    "dan_office31_resnet50": {
        "learning_rate": 0.003, "weight_decay": 5e-4, "batch_size": 32, "steps": 10_000, "gamma": 0.0003,
        "discrepancy_ramp": False, "printed": 83.7, "pairs": columns(OFFICE31, 84.2, 98.4, 100, 87.3, 66.9, 65.2),
    },
    "afn_office31_resnet50": {
        "learning_rate": 0.001, "weight_decay": 5e-4, "batch_size": 32, "steps": 10_000, "step": 1, "weight": 0.05,
        "nesterov": False, "schedule": None, "rates": {}, "printed": 88.6,
        "pairs": columns(OFFICE31, 94, 98.9, 100, 94.4, 72.9, 71.1),
    },
    # and on Office-Home
    "dann_office_home_resnet50": {
        "learning_rate": 0.01, "weight_decay": 1e-3, "batch_size": 32, "steps": 30_000, "gamma": 0.001, "width": 1024,
        "ramp_rate": 30, "printed": 65.2,
        "pairs": columns(OFFICE_HOME, 53.8, 62.6, 74, 55.8, 67.3, 67.3, 55.8, 55.1, 77.9, 71.1, 60.7, 81.1),
    },
    "cdan_office_home_resnet50": {
        "learning_rate": 0.01, "weight_decay": 1e-3, "batch_size": 32, "steps": 30_000, "entropy": False,
        "ramp_rate": 30, "printed": 68.8,
        "pairs": columns(OFFICE_HOME, 55.2, 72.4, 77.6, 62, 69.7, 70.9, 62.4, 54.3, 80.5, 75.5, 61, 83.8),
    },
    "mcc_office_home_resnet50": {
        "backbone": "resnet50_bottleneck_2048", "learning_rate": 0.005, "batch_size": 36, "steps": 30_000,
        "temperature": 2.5, "gamma": 0.001, "printed": 72.4,
        "pairs": columns(OFFICE_HOME, 58.4, 79.6, 83, 67.5, 77, 78.5, 66.6, 54.8, 81.8, 74.4, 61.4, 85.6),
    },
    "mdd_office_home_resnet50": {
        "backbone": "resnet50_mdd_2048", "learning_rate": 0.004, "weight_decay": 5e-4, "batch_size": 32,
        "steps": 30_000, "schedule_options": {"gamma": 0.0002, "power": 0.75}, "ramp_rate": 30, "printed": 69.7,
        "pairs": columns(OFFICE_HOME, 56.2, 75.4, 79.6, 63.5, 72.1, 73.8, 62.5, 54.8, 79.9, 73.5, 60.9, 84.5),
    },
    "jan_office_home_resnet50": {
        "learning_rate": 0.003, "weight_decay": 5e-4, "batch_size": 32, "steps": 10_000, "gamma": 0.0003,
        "adversarial": False, "printed": 65.9,
        "pairs": columns(OFFICE_HOME, 50.8, 71.9, 76.5, 60.6, 68.3, 68.7, 60.5, 49.6, 76.9, 71, 55.9, 80.5),
    },
    "dan_office_home_resnet50": {
        "learning_rate": 0.003, "weight_decay": 5e-4, "batch_size": 32, "steps": 10_000, "gamma": 0.0003,
        "discrepancy_ramp": False, "printed": 61.4,
        "pairs": columns(OFFICE_HOME, 45.6, 67.7, 73.9, 57.7, 63.8, 66, 54.9, 40, 74.5, 66.2, 49.1, 77.9),
    },
    "afn_office_home_resnet50": {
        "learning_rate": 0.001, "weight_decay": 5e-4, "batch_size": 32, "steps": 10_000, "step": 1, "weight": 0.05,
        "nesterov": False, "schedule": None, "rates": {}, "printed": 68.2,
        "pairs": columns(OFFICE_HOME, 53.2, 72.7, 76.8, 65, 71.3, 72.3, 65, 51.4, 77.9, 72.3, 57.8, 82.4),
    },
    # cuishuhao/BNM at 2d23c61, DA/BNM/README.md, train_image.py
    "bnm_office31_resnet50": {
        "learning_rate": 0.001, "batch_size": 36, "steps": 6000, "rates": {"head": 10}, "power": 0.75, "printed": None,
    },
    "bnm_office_home_resnet50": {
        "learning_rate": 0.001, "batch_size": 36, "steps": 6000, "rates": {"head": 10}, "divisor": "rank",
        "weight_decay": 2 * 5e-4, "printed": None,
    },
    "bnm_visda_resnet101": {
        "learning_rate": 0.001, "batch_size": 36, "steps": 6000, "rates": {"head": 10}, "power": 0.75, "printed": None,
    },
    # tim-learn/SHOT at f7d555a, object/run.sh, image_target.py, results.md; the images of each target in batches of 64
    "shot_office31_resnet50": {
        "learning_rate": 1e-2, "weight_decay": 1e-3, "batch_size": 64, "epochs": 15, "schedule": "inverse_progress",
        "iterations_per_epoch": (-(-2817 // 64) + -(-498 // 64) + -(-795 // 64)) / 3, "weight": 0.3, "printed": 88.6,
        "pairs": {"amazon -> dslr": 94, "amazon -> webcam": 90.1, "dslr -> amazon": 74.7, "dslr -> webcam": 98.4,
                  "webcam -> amazon": 74.3, "webcam -> dslr": 99.9},
    },
    "shot_office_home_resnet50": {
        "learning_rate": 1e-2, "weight_decay": 1e-3, "batch_size": 64, "epochs": 15, "gamma": 10, "power": 0.75,
        "iterations_per_epoch": round(sum(-(-count // 64) for count in (2427, 4365, 4439, 4357)) / 4),
        "label_smoothing": 0.1, "printed": 71.8,
        "pairs": columns(OFFICE_HOME, 57.1, 78.1, 81.5, 68, 78.2, 78.1, 67.4, 54.9, 82.2, 73.3, 58.8, 84.3),
    },
    # val-iisc/SDAT issue 4; README.md (Results) and examples/run_office_home.sh
    "sdat_office_home_resnet50": {
        "backbone": "resnet50_bottleneck_2048", "learning_rate": 0.01, "steps": 30_000, "rho": 0.02, "temperature": 2.5,
        "batch_size": 32, "confusion": 1, "printed": None,
    },
    "sdat_office_home_vit_base": {
        "learning_rate": 0.002, "steps": 30_000, "rho": 0.02, "temperature": 2.0, "batch_size": 24, "confusion": 1,
        "pairs": columns(OFFICE_HOME, 70.8, 80.7, 90.5, 85.2, 87.3, 89.7, 84.1, 70.7, 90.6, 88.3, 75.5, 92.1),
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
        "steps": steps, "printed": recipe.printed.value, "pairs": recipe.printed.pairs, "backbone": recipe.backbone,
    }  # fmt: skip


@pytest.mark.parametrize("name", TYPED)
def test_a_recipe_agrees_with_its_source(name: str) -> None:
    found = stated(name)
    assert {key: found[key] for key in TYPED[name]} == TYPED[name]


def test_every_shipped_recipe_was_typed_again() -> None:
    assert set(TYPED) == set(plugins.names("recipe"))
