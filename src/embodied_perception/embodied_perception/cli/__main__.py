"""Runs the program as `python -m embodied_perception.cli`."""

import sys

from embodied_perception.cli.main import main

sys.exit(main())
