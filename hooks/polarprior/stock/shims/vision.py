"""torchvision where its compiled part doesn't load, as beside another build of torch: what is Python in it works."""

from __future__ import annotations

from types import ModuleType

from polarprior.stock.importing import after_import

_NEEDED_TO_IMPORT = (
    "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
)
_declared: list[object] = []


def import_torchvision_without_operators() -> None:
    """Have ``import torchvision`` succeed where its operators are missing; calling one of them still fails."""
    after_import("torchvision.extension", _declare)


def _declare(extension: ModuleType) -> None:
    if extension._has_ops() or _declared:
        return
    from torch.library import Library

    library = Library("torchvision", "FRAGMENT")
    for schema in _NEEDED_TO_IMPORT:
        library.define(schema)
    _declared.append(library)  # its operators live as long as it does
