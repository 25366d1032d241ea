"""`python -m polarprior`: the command line without its script."""

import sys

from polarprior.cli.main import main

sys.exit(main())
