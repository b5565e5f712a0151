"""Changes of colour for training views: photometric distortion, and the operations of RandAugment.

They work on pixel values 0 to 255, so they need a benchmark that standardises after augmentation.
"""

from __future__ import annotations

from typing import Any

import albumentations as A


def photometric() -> list[Any]:
    """Photometric distortion as in SSD (Liu et al., ECCV 2016) and mmsegmentation.

    Each with probability 1/2 and in this order: brightness by up to 32 of 255, contrast by 0.5 to 1.5, saturation by
    0.5 to 1.5, hue by up to 18 degrees.
    """
    unchanged: dict[str, Any] = {"brightness": (1, 1), "contrast": (1, 1), "saturation": (1, 1), "hue": (0, 0)}
    return [
        A.RandomBrightnessContrast(brightness_limit=32 / 255, contrast_limit=(0, 0), p=0.5),
        A.RandomBrightnessContrast(brightness_limit=(0, 0), contrast_limit=0.5, p=0.5),
        A.ColorJitter(**unchanged | {"saturation": (0.5, 1.5)}, p=0.5),
        A.ColorJitter(**unchanged | {"hue": (-0.05, 0.05)}, p=0.5),
    ]


def random_operations(count: int, ignore_index: int) -> list[Any]:
    """``count`` operations of RandAugment, drawn with replacement, each with a strength of its own.

    Operations and ranges are those of FixMatch (Sohn et al., NeurIPS 2020), as read in kekmodel/FixMatch-pytorch,
    dataset/randaugment.py. There sharpness is lowered and an operation is left out half of the time; here sharpness is
    raised and no operation is left out.

    Args:
        ignore_index: the label of pixels that come in from outside the image.
    """
    degrees = 17.2  # a shear of 0.3
    unchanged: dict[str, Any] = {"brightness": (1, 1), "contrast": (1, 1), "saturation": (1, 1), "hue": (0, 0)}
    warps: list[dict[str, Any]] = [
        {"rotate": (-30, 30)},
        {"shear": {"x": (-degrees, degrees), "y": (0, 0)}},
        {"shear": {"x": (0, 0), "y": (-degrees, degrees)}},
        {"translate_percent": {"x": (-0.3, 0.3), "y": (0, 0)}},
        {"translate_percent": {"x": (0, 0), "y": (-0.3, 0.3)}},
    ]
    operations = [
        A.NoOp(p=1.0),
        A.AutoContrast(method="pil", p=1.0),
        A.Equalize(mode="pil", p=1.0),
        A.Posterize(num_bits=(4, 7), p=1.0),
        A.Solarize(threshold_range=(0, 1), p=1.0),
        A.Sharpen(alpha=(0.05, 0.95), p=1.0),
        *(
            A.ColorJitter(**unchanged | {name: (0.05, 0.95)}, p=1.0)
            for name in ("brightness", "contrast", "saturation")
        ),
        *(A.Affine(**{"scale": 1.0, "rotate": 0.0} | warp, fill_mask=ignore_index, p=1.0) for warp in warps),
    ]
    return [A.SomeOf(operations, n=count, replace=True, p=1.0)]
