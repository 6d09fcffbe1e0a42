"""Sets up the workspace where needed and runs one command in it. Started by ./run."""

import sys
from pathlib import Path

if sys.version_info < (3, 10):  # noqa: UP036 (older Pythons read this file)
    found = "{}.{}".format(*sys.version_info)
    sys.exit("embodied_perception needs Python 3.10 to 3.13; this is Python " + found)

sys.path[0] = str(Path(__file__).resolve().parent.parent)  # the folder that holds this package

from workspace.cli import main  # noqa: E402 (found through the line above)

sys.exit(main(sys.argv[1:]))
