"""The environment of a process that is to find no Ray by itself."""

import os

from launch import session


def without_ray() -> dict[str, str]:
    """This process's environment without what makes a plain `ray.init()` join a Ray."""
    joining = {"RAY_ADDRESS", *session.JOINING}
    return {name: value for name, value in os.environ.items() if name not in joining}
