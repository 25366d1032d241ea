"""``polarprior boltzmann draw``: draws of an energy's flow, with weights that correct them."""

from __future__ import annotations

import json
from pathlib import Path

import click
from polarprior.plugin import say

PATH = click.Path(path_type=Path, readable=False)


@click.group(short_help="Draws of a flow that was learnt from an energy.")
def boltzmann() -> None:
    """Use flows that `polarprior train boltzmann --energy` has learnt from an energy."""


@boltzmann.command()
@click.argument("flow", type=PATH)
@click.option("-n", "count", required=True, type=click.IntRange(1, 1 << 24), help="Draws.")
@click.option(
    "--out", required=True, type=PATH, help="An .npz to write: x [n, K], log_q [n], energy [n], log_weight [n]."
)
@click.option("--energy", help="The energy that FLOW was trained on; needed only for torch:MODULE:FUNCTION.")
@click.option("--seed", default=0, type=click.IntRange(0, 2**63 - 1), show_default=True)
@click.option("--device", default="cpu", show_default=True, help="Torch device, such as cuda.")
def draw(flow: Path, count: int, out: Path, energy: str | None, seed: int, device: str) -> None:
    """Draw from a flow, and say how far its law is from the energy's.

    log_weight is -energy - log_q: an average over draws, weighted by exp(log_weight), is one over the energy's own
    Boltzmann density. The ESS of these weights does not see a mode that no draw has reached.
    """
    from polarprior.plugin import UsageError, check_writable, torch_device

    from polarprior_boltzmann.flow_file import FlowFile
    from polarprior_boltzmann.weighted_draws import save_draws, weighted_draws

    if out.suffix != ".npz" or out.is_dir():
        raise UsageError(f"out: got {str(out)!r}, expected a file that ends in .npz", "use such as out=draws.npz")
    check_writable(out)
    found = FlowFile.open(flow)
    drawn = weighted_draws(found, count, seed, energy, torch_device(device))
    save_draws(drawn, out)
    say(f"{out}: {json.dumps(drawn.summary())}")
