"""Imported last in the process that is copied for checks: there torch imports its compiler once.

It does so, for more than a second, when a process makes its first optimizer.
"""

import sys

if torch := sys.modules.get("torch"):
    torch.optim.SGD([torch.zeros(1, requires_grad=True)])
