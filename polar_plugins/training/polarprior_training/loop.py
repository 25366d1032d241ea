"""The loop around a training: a bar, looks at it on the way with a line of JSON each, and checkpoints."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from polarprior.plugin import Journal, PolarPriorError
from tqdm import tqdm

from polarprior_training.resuming import Checkpoint, Resumable

EVERY = 250
"""Iterations between two looks, and between two checkpoints."""


def train(
    training: Resumable,
    iterations: int,
    checkpoint: Checkpoint,
    journal: Path,
    look: Callable[[], tuple[dict[str, Any], str]],
    every: int = EVERY,
) -> None:
    """Train to the end, from the last checkpoint where there is one; the last one stays until it is dropped.

    Args:
        training: at its start.
        iterations: that it has.
        checkpoint: of it.
        journal: gets a line of JSON a look; what another training left there is removed.
        look: what the training is like now: metrics for the journal, and words for the bar.
        every: iterations between two looks.

    Raises:
        PolarPriorError: the checkpoint is of another training, or numbers are not finite any more.
    """
    checkpoint.restore(training)
    if not training.done:
        journal.unlink(missing_ok=True)
    lines = Journal(journal)
    with tqdm(total=iterations, initial=training.done, unit="iteration", desc="train") as bar:
        while not training.finished:
            try:
                training.advance()
            except FloatingPointError as error:
                raise PolarPriorError(f"training: {error}", "use a smaller rate, or another seed") from error
            bar.update()
            if training.done % every == 0:
                metrics, words = look()
                lines.write(iteration=training.done, loss=training.loss, metrics=metrics)
                bar.set_postfix_str(words)
            if training.finished or training.done % every == 0:
                checkpoint.keep(training)
