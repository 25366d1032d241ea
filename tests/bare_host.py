"""Runs ``polarprior`` with a host that has no samplers and no Jacobian of its own: WORDS. The space `pixel` stays."""

import sys

from polarprior import builtin


def main() -> int:
    del builtin.get_latent_sampler, builtin.jacobian_fn
    from polarprior.cli.main import main as polarprior  # asks plugins, and the host's own answers, once

    return polarprior(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
