"""A learned Wasserstein ground metric: a classifier of weighted sets of features, such as the patches of an image.
Importing it does not import torch.

After Xu, Luo, Deng and Huang, *Multi-Level Metric Learning via Smoothed Wasserstein Distance* (IJCAI 2018), called
the seed here.
"""

from __future__ import annotations

__version__ = "0.1.0"
