"""`python -m launch`, which is what `make lab` runs."""

import sys

from launch.launcher import main

sys.stdout.reconfigure(errors="replace")  # a terminal without ✓ is no reason to crash
sys.exit(main())
