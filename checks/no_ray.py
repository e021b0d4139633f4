"""Imported before Ray, it keeps a process from starting or joining a Ray by its first call of it.

Only `ray.init()` does so then; everything else raises.
"""

import os

os.environ["RAY_ENABLE_AUTO_CONNECT"] = "0"
