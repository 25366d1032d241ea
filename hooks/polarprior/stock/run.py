"""One run of a stock script: what is asked of it, what a plugin can know of it, and what it draws from."""

from __future__ import annotations

import argparse
import atexit
import os
import sys
import warnings
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cached_property, wraps
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import click

from polarprior.errors import OF_SCRIPTS, UsageError, ending_the_script
from polarprior.flags import in_flags
from polarprior.stages import heartbeat
from polarprior.stock.importing import after_import
from polarprior.stock.polarity import Polarity
from polarprior.stock.record import Folder, write_record
from polarprior.stock.sampler import StockSampler
from polarprior.stock_repo import StockRepo

if TYPE_CHECKING:
    import torch

    from polarprior.bank.bank import Bank
    from polarprior.generator import Generator


class StockRun:
    """What a plugin's `StockRepo.connect` works with.

    Attributes:
        repo: what its plugin says of the repository.
        root: folder of the checkout.
        script: the script, relative to it.
        polarity: what is asked for; None where the script is to keep its own latents.
        device: where the script works.
    """

    def __init__(self, repo: StockRepo, root: Path, script: str, polarity: Polarity | None, device: torch.device):
        self.repo = repo
        self.root = root
        self.script = script
        self.polarity = polarity
        self.device = device
        self._samplers: list[StockSampler] = []
        self._namespace: dict[str, Any] = {}
        self._remember_namespaces()
        self._forked = False
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_parent=self._remember_fork)

    @cached_property
    def bank(self) -> Bank:
        """The bank that is asked for."""
        from polarprior.bank.bank import Bank

        if self.polarity is None:
            raise ValueError("a run without a polarity has no bank")
        return Bank.open(self.polarity.bank)

    def after_import(self, name: str, callback: Callable[[ModuleType], None]) -> None:
        """Have `callback` called with the module `name` when the script has imported it."""
        after_import(name, callback)

    def values(self) -> dict[str, Any]:
        """What the script's command line came to, defaults included, by the names that click or argparse gives
        them; to be asked once the script has read it."""
        context = click.get_current_context(silent=True)
        return dict(context.params) if context else dict(self._namespace)

    def sampler(
        self, generator: Generator, label: int | None = None, draws: int = 0, replaces_label: bool = False
    ) -> StockSampler:
        """What the script's latents become. Ends the script, with an error and a hint, where there is no such law.

        Args:
            generator: of the network that the script has loaded, with the settings at which the script uses it: a
                bank for others is refused.
            label: the one class that the script draws; None where there are none, or several.
            draws: how many latents it draws; 0 where that is not known.
            replaces_label: the plugin puts the sampler's classes in the place of the script's as well, as a joint law
                needs it; without, one is refused.
        """
        if self.polarity is None:
            raise ValueError("a run without a polarity draws nothing")
        with ending_the_script():
            if self.polarity.joint and not replaces_label:
                raise UsageError(
                    f"joint: {self.script} gives its latents classes that can't be replaced here, or none",
                    "leave it out",
                )
        with ending_the_script(), heartbeat("polarity"), warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", UserWarning)
            pinned = replace(self.polarity, bank=self.bank.place or self.polarity.bank)
            sampler = StockSampler(pinned, generator, label, draws)
            diagnostics = sampler.diagnostics
        for warning in caught:
            print(f"warning: {in_flags(str(warning.message), OF_SCRIPTS)}", file=sys.stderr)
        print(f"polarity: {diagnostics}", file=sys.stderr)
        self._samplers.append(sampler)
        return sampler

    def check_all_classes(self, num_classes: int) -> None:
        """Raise UsageError unless the bank has rows of each class, for a script that draws them all."""
        missing = set(range(num_classes)) - set([] if self.bank.labels is None else self.bank.labels.tolist())
        if missing:
            raise UsageError(
                f"bank: {len(missing)} of {num_classes} classes have no rows, such as {min(missing)}, and "
                f"{self.script} draws all",
                "build one of all classes",
            )

    def record_at_exit(self, arguments: Sequence[str]) -> None:
        """Leave `polarprior.stock.record.NAME` beside the script's pictures when this process ends.

        Args:
            arguments: the script's own.
        """
        folder, here = Folder(), os.getpid()

        def leave() -> None:
            if self._samplers and folder.found is not None and os.getpid() == here:
                write_record(Path(folder.found), self.script, arguments, self.bank, self._samplers)

        atexit.register(leave)

    def warn_if_idle(self) -> None:
        """Say so where the polarity that was asked for has changed nothing here, nor in a process that was forked."""
        if self.polarity is not None and not self._samplers and not self._forked:
            print(
                f"warning: no network has come by whose latents could be replaced: {OF_SCRIPTS['rho']} did nothing",
                file=sys.stderr,
            )

    def _remember_fork(self) -> None:
        self._forked = True

    def _remember_namespaces(self) -> None:
        original = argparse.ArgumentParser.parse_known_args

        @wraps(original)
        def parse_known_args(*args: Any, **kwargs: Any) -> Any:
            found = original(*args, **kwargs)
            self._namespace = dict(vars(found[0]))
            return found

        argparse.ArgumentParser.parse_known_args = parse_known_args  # type: ignore[method-assign]
