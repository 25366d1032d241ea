"""What a process spawned by a launched script imports as its main module, in the script's place.

Behind ``sys.argv[0]`` are the script with the polarity options, as JSON, and the script's own arguments, see
`polarprior.stock.children`. The script's names end up here, where pickles of ``__main__`` look for them.
"""

import json
import runpy
import sys
from pathlib import Path

if __name__ == "__mp_main__":
    from polarprior.stock.begin import begin
    from polarprior.stock.children import prepare_children
    from polarprior.stock.polarity import asked

    script, options = json.loads(sys.argv.pop(1))
    begin(Path(script), asked(**options), child=True)
    prepare_children(options)
    globals().update(runpy.run_path(script, run_name="__mp_main__"))
