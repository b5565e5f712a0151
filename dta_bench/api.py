"""All that the author of a backbone, a benchmark or a method imports: ``from dta_bench.api import Network, UserError``.

``pretrained`` is the module of the networks of timm and SMP, as in ``pretrained.timm_model(name, weights)``.
``read_image(path)`` is how this package decodes an image file.
"""

from dta_bench.benchmarks._splits import domains_in_memory, hold_out_per_class, hold_out_share, hold_out_share_per_class
from dta_bench.domains.data_fingerprint import fingerprint
from dta_bench.domains.download import Archive
from dta_bench.domains.file_tree import DataFolder, list_images
from dta_bench.domains.image_files import ImageFiles, read_image
from dta_bench.domains.images import Domains, Image, LabelledImages
from dta_bench.domains.label_maps import LabelMaps, fingerprint_entries
from dta_bench.errors import UserError, one_of, within
from dta_bench.nn import pretrained
from dta_bench.nn.adversarial_dropout import Start, TargetPass, adversarial_mask, stochastic_mask
from dta_bench.nn.class_mix import class_mix_mask, jitter_and_blur, paste, weighted_cross_entropy
from dta_bench.nn.domain_adversarial import (
    MultilinearMap,
    as_rows,
    build_discriminator,
    dann_ramp,
    domain_logits,
    domain_loss,
    entropy_weights,
    reverse_gradient,
)
from dta_bench.nn.learner import Learner, Loss, Parts, Players, Progress, Setting, activation_shapes
from dta_bench.nn.losses import (
    class_balance,
    conditional_entropy,
    kl_divergence,
    l1_discrepancy,
    mean_prediction,
    symmetric_kl,
    virtual_adversarial_loss,
)
from dta_bench.nn.mmd import mk_mmd, mmd_from_kernel, multi_gaussian_kernel, pairwise_squared_distances
from dta_bench.nn.network import (
    Features,
    Labelled,
    Network,
    Normalisation,
    Unlabelled,
    current_random_state,
    evaluating,
    frozen_statistics,
    replaying_draws,
    without_dropout,
)
from dta_bench.nn.teachers import frozen_copy, reinitialised_copy, update_moving_average, warmed_up_decay
from dta_bench.spec.benchmark import Benchmark
from dta_bench.spec.run_spec import Training

__all__ = [
    "Archive",
    "Benchmark",
    "DataFolder",
    "Domains",
    "Features",
    "Image",
    "ImageFiles",
    "LabelMaps",
    "Labelled",
    "LabelledImages",
    "Learner",
    "Loss",
    "MultilinearMap",
    "Network",
    "Normalisation",
    "Parts",
    "Players",
    "Progress",
    "Setting",
    "Start",
    "TargetPass",
    "Training",
    "Unlabelled",
    "UserError",
    "activation_shapes",
    "adversarial_mask",
    "as_rows",
    "build_discriminator",
    "class_balance",
    "class_mix_mask",
    "conditional_entropy",
    "current_random_state",
    "dann_ramp",
    "domain_logits",
    "domain_loss",
    "domains_in_memory",
    "entropy_weights",
    "evaluating",
    "fingerprint",
    "fingerprint_entries",
    "frozen_copy",
    "frozen_statistics",
    "hold_out_per_class",
    "hold_out_share",
    "hold_out_share_per_class",
    "jitter_and_blur",
    "kl_divergence",
    "l1_discrepancy",
    "list_images",
    "mean_prediction",
    "mk_mmd",
    "mmd_from_kernel",
    "multi_gaussian_kernel",
    "one_of",
    "pairwise_squared_distances",
    "paste",
    "pretrained",
    "read_image",
    "reinitialised_copy",
    "replaying_draws",
    "reverse_gradient",
    "stochastic_mask",
    "symmetric_kl",
    "update_moving_average",
    "virtual_adversarial_loss",
    "warmed_up_decay",
    "weighted_cross_entropy",
    "within",
    "without_dropout",
]
