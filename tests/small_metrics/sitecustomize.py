"""The stock metrics draw 50,000 images, by their code alone: here it is as many as a test can wait for.

Python imports this when it starts, in every process of the script, where this folder is on PYTHONPATH.
"""

import os

from polarprior.stock.importing import after_import


def fewer_images(metric_utils):
    original = metric_utils.compute_feature_stats_for_generator

    def compute_feature_stats_for_generator(*args, **kwargs):
        return original(*args, **{**kwargs, "max_items": int(os.environ["SMALL_METRICS_IMAGES"])})

    metric_utils.compute_feature_stats_for_generator = compute_feature_stats_for_generator


if "SMALL_METRICS_IMAGES" in os.environ:
    after_import("metrics.metric_utils", fewer_images)
