"""Does polarity help anybody? Three uses, each beside what a user would do instead.

    POLARPRIOR_VENDOR=CHECKOUTS python benchmarks/uses.py [--full] [--quick] [--only rare,artefacts,memorised]

Digits for a classifier that is to know the rare ones; bad pictures found among draws; draws that are training
pictures. Five sets of seeds each. Runs are kept in ``results/uses.json`` with their CPU seconds as soon as they are
done, and --full makes those that are missing; `uses_page.py` writes docs/uses.md.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parent / "uses"))
sys.path.append(str(Path(__file__).parent / "paper"))

import artefacts
import memorised
import rare_samples
from polarprior_benchmarks.kept_runs import main

KEPT = Path(__file__).parent / "results" / "uses.json"

if __name__ == "__main__":
    parts = {"rare": rare_samples.run, "artefacts": artefacts.run, "memorised": memorised.run}
    main(__doc__ or "", KEPT, parts)
