"""Where latents pass in sample.py: the functions of its ``utils`` that draw a batch and feed it to the generator."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any

import torch
from polarprior.plugin import Settings, StockRun, StockSampler, UsageError, ending_the_script

from polarprior_biggan_deep.biggan_pytorch import CONFIGURATION, generator_of

SHEET = "sample_sheet"


def connect(run: StockRun) -> None:
    """Mend what today's torch has broken in ``utils``, and put a polarity prior behind its draws."""
    torch.serialization.add_safe_globals(CONFIGURATION)

    def hook(utils: Any) -> None:
        # What is computed from a Distribution would be one as well, without what it draws from.
        utils.Distribution.__torch_function__ = torch._C._disabled_torch_function_impl
        if run.polarity is not None:
            seam = _Seam(run)
            utils.sample = seam.around(utils.sample)
            utils.sample_sheet = seam.around(utils.sample_sheet)

    run.after_import("utils", hook)


class _Seam:
    """Replaces what a batch of latents holds when its classes are looked up, which is after both have been drawn.

    Interpolations and accumulated statistics come by other ways, and keep the model's own prior.
    """

    def __init__(self, run: StockRun):
        self._run = run
        self._sampler: StockSampler | None = None

    def around(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """``utils.sample`` or ``utils.sample_sheet``, on latents of the polarity prior."""

        @wraps(function)
        def drawing(G: Any, *args: Any, z_: Any, **kwargs: Any) -> Any:
            with ending_the_script():
                if _is_joint(self._run) and function.__name__ == SHEET:
                    raise UsageError(
                        "joint: --sample_sheets shows class by class", "leave one of --sample_sheets and --joint out"
                    )
                self._sampler = self._sampler or self._run.sampler(*_use(self._run, G), replaces_label=True)
            with self._redrawing(G, z_):
                return function(G, *args, z_=z_, **kwargs)

        return drawing

    @contextmanager
    def _redrawing(self, network: Any, z: torch.Tensor) -> Iterator[None]:
        def redraw(shared: Any, args: tuple[torch.Tensor]) -> None:
            (labels,) = args
            if len(labels) > len(z):  # then sample_sheet draws by itself, as if z_var were 1
                with ending_the_script():
                    raise UsageError(
                        f"--sample_sheets: a sheet has {len(labels)} classes, and a batch {len(z)} latents",
                        f"use --G_batch_size {len(labels)}, or leave one of --sample_sheets and --polarity out",
                    )
            own = z[: len(labels)]
            drawn = self._sampler.redraw_both(own, labels)  # type: ignore[union-attr]
            own.copy_(drawn.z)
            if drawn.label is not None:
                labels.copy_(drawn.label)  # the script's own, which it writes down; others than before in a joint law

        hook = network.shared.register_forward_pre_hook(redraw)
        try:
            yield
        finally:
            hook.remove()


def _use(run: StockRun, network: Any) -> tuple[Any, None, int]:
    """The generator at the settings of sample.py, no single class, and how many latents of each class it draws, or of
    all of them together where the law is a joint one.

    Raises:
        UsageError: it asks for something that has no place for a polarity prior.
    """
    values = run.values()
    if network.training:
        raise UsageError(
            "rho: the generator is in training mode, where the images of a batch depend on each other",
            "add --G_eval_mode",
        )
    if values["accumulate_stats"]:
        raise UsageError(
            "rho: --accumulate_stats changes the network, and a bank is for the network as it was loaded",
            "leave one of them out",
        )
    if values["sample_trunc_curves"]:
        raise UsageError(
            "rho: --sample_trunc_curves draws at many z_var, and a bank is for one", "leave one of them out"
        )
    run.check_all_classes(network.n_classes)
    draws = values["sample_num_npz"] if values["sample_npz"] else 0
    of_law = draws if _is_joint(run) else -(-draws // network.n_classes)  # else of each class
    return generator_of(network, Settings(trunc=values["z_var"])), None, of_law


def _is_joint(run: StockRun) -> bool:
    return run.polarity is not None and run.polarity.joint
