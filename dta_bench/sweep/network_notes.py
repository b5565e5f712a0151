"""What a dry run says of a plan's networks: that they are made for other images, or start from random weights."""

from __future__ import annotations

from dta_bench.spec.plan import Plan
from dta_bench.spec.spelling import join_words

SMALL = 48
"""Pixels. Networks of the ImageNet family shrink an image 32 times: of one this large at most 2 x 2 are left."""
FOR_LARGE_IMAGES = ("resnet50", "resnet101", "convnext_tiny", "swin_tiny", "vit_", "tf_efficientnet")
"""How the names of the shipped backbones for 224 px begin."""
NEEDS_DROPOUT = "start"
"""A parameter whose default needs dropout above the masks, which conv9_fc1 has not."""


def note_on_small_images(plan: Plan) -> list[str]:
    """Say that the backbones of a plan are made for larger images, and which one is made for these; else nothing.

    Only of backbones that come with the program and have random weights: the user's own may be made for small images,
    and pretrained ones are taken for what they know.
    """
    height, width = plan.benchmark.for_training(plan.training).train_size
    if plan.benchmark.task != "classification" or max(height, width) > SMALL or plan.weights != "none":
        return []
    large = [name for name in plan.backbones if _is_for_large_images(name)]
    if not large:
        return []
    colour = not any(NEEDS_DROPOUT in plan.defaults(method) for method in plan.methods)
    other = ", or conv9_fc1 in colour" if colour else ""
    return [
        f"images of {height} x {width} px: {join_words(large)} {'is' if len(large) == 1 else 'are'} made for 224 px; "
        f"--backbone conv3_tiny is a small network for images of this size (in grey{other}), and much faster"
    ]


def note_on_random_weights(plan: Plan) -> list[str]:
    """Say that the networks of a plan start from random weights, where images are large enough for pretrained ones."""
    if plan.weights != "none" or max(plan.benchmark.for_training(plan.training).train_size) <= SMALL:
        return []
    starts = "starts" if len(plan.backbones) == 1 else "start"
    return [
        f"{join_words(plan.backbones)} {starts} from random weights; --weights hub takes pretrained ones, where the "
        "backbone has some, and --weights a file's"
    ]


def _is_for_large_images(backbone: str) -> bool:
    """Whether it is one of a library, or a shipped one like it."""
    return "/" in backbone or backbone.startswith(FOR_LARGE_IMAGES)
