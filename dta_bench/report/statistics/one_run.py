"""The score that one run of a method will have on new images: a prediction interval.

It is wider than the interval of the expected score, for one run has the chance of its own seed and of the images that
it is scored on. With the variances of :mod:`.crossed_model`, A = B - R / S of the images alone, and n new images,

    V = s^2 (1 + 1 / S) + A (1 / N + 1 / n) + max(R / n - R / N, 0)

s^2 holds R / N already, what seed and image do together on the N images that were tested.
"""

from __future__ import annotations

import numpy as np

from dta_bench.report.statistics.crossed_model import LEVEL, OWN_LEVEL, CrossedModel, Floats, squared_half_width


def half_widths_of_one_run(model: CrossedModel, residuals: Floats, images: int, level: float = LEVEL) -> Floats:
    """Half the width (..., M) of the prediction interval around each method's mean, in points.

    Args:
        residuals: (..., M), the residual variance R of seed and image of each method.
        images: how many new images one run is scored on.

    Returns:
        NaN for a method with one seed, of which nothing says how far seeds are apart.
    """
    further = np.maximum(residuals / images - residuals / model.images, 0)
    of_images = model.image_variances * (1 + model.images / images) + further
    seeds, moderated = 1 + 1 / model.seeds, model.moderated
    wide = squared_half_width(level, np.maximum(moderated.degrees, 1), seeds * moderated.variances)
    wide = wide + squared_half_width(level, model.images - 1, of_images)
    own_level = level * OWN_LEVEL / LEVEL
    alone = squared_half_width(own_level, np.maximum(model.seeds - 1, 1), seeds * model.own_variances)
    alone = alone + squared_half_width(own_level, model.images - 1, of_images)
    return np.where(model.seeds > 1, np.sqrt(np.maximum(wide, alone)), np.nan)
