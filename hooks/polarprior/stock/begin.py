"""Getting a process ready for a stock script."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from polarprior.devices import torch_device
from polarprior.errors import UsageError
from polarprior.host import default_host
from polarprior.stock.polarity import Asked
from polarprior.stock.run import StockRun
from polarprior.stock_repo import StockRepo, repo_of_script

if TYPE_CHECKING:
    import torch


def begin(script: Path, asked: Asked, child: bool = False, arguments: Sequence[str] = ()) -> StockRun:
    """Get this process ready for a stock script: shims that are needed here, and the plugin's hands on the seam.

    Args:
        script: the script.
        asked: of it.
        child: this process was spawned by the one that runs the script, which has tried the device.
        arguments: the script's own, for the record that it leaves.

    Raises:
        UsageError: no such script or device, an unknown checkout, or a script that draws no latents.
        BankError: a bank that can't be read.
    """
    if not script.is_file():
        raise UsageError(
            f"script: no file {script}", "name the stock script: polarprior run gen_images.py --seeds=0-3"
        )
    repo, root, connect = _seam(script)
    polarity = asked.polarity
    relative = script.resolve().relative_to(root).as_posix()
    if polarity is not None:
        repo.check_draws(relative)
    import torch

    # A spawned process need not try the device: the one that spawned it has.
    device = torch.device(asked.device) if child and asked.device else torch_device(asked.device)
    _apply_shims(device)
    run = StockRun(repo, root, relative, polarity, device)
    if polarity is not None:
        _ = run.bank  # opened, or refused, before the script begins
        if polarity.changes_nothing:  # the stock script, bit for bit
            run.polarity = None
        elif asked.record and not child:
            run.record_at_exit(arguments)
    connect(run)
    return run


def _seam(script: Path) -> tuple[StockRepo, Path, Callable[[StockRun], None]]:
    """The repository that `script` belongs to, its folder, and what puts hands on the seam: a plugin that can't be
    imported is skipped."""
    host = default_host()
    repos = host.stock_repos()
    while True:
        repo, root = repo_of_script(script, repos)
        connect = host.connector(repo)
        if connect is not None:
            return repo, root, connect
        repos.remove(repo)


def _apply_shims(device: torch.device) -> None:
    from polarprior.stock.shims.arguments import restore_arguments
    from polarprior.stock.shims.device import move_cuda_to
    from polarprior.stock.shims.modules import supply_missing_modules
    from polarprior.stock.shims.vision import import_torchvision_without_operators

    supply_missing_modules()
    restore_arguments()
    import_torchvision_without_operators()
    if str(device) != "cuda":
        move_cuda_to(device)
