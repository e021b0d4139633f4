"""Live views for notebooks: `from helpers import ui`."""

from helpers.ui.sweep import SweepView

__all__ = ["SweepView"]
