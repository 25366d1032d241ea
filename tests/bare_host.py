"""Runs ``polarprior`` with a host that has no samplers and no Jacobian of its own: WORDS. The space `pixel` stays."""

import sys

from polarprior import builtin

del builtin.get_latent_sampler, builtin.jacobian_fn

from polarprior.cli.main import main  # noqa: E402

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
