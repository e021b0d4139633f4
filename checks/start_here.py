"""Checks of lab 00."""

import os
import secrets

import ray

from checks.engine import NotYet, exercise, run


@exercise
def as_task(answer) -> str:
    """`as_task(function, x)` calls `function(x)` in a Ray task."""
    if hasattr(answer, "remote"):
        raise NotYet(
            "as_task has become a remote function itself. Leave off the @ray.remote above it: "
            "as_task is called like any function, and makes a task of the function it is given."
        )
    x = secrets.randbelow(1000)
    try:
        returned, here = run(_call, answer, x)
    except NotYet as wrong:
        if "decorator must be applied" not in str(wrong):
            raise
        raise NotYet(
            "ray.remote was not given a function. Hand it `function` itself, not function(x): "
            "calling it is the task's work."
        ) from None
    if isinstance(returned, ray.ObjectRef):
        raise NotYet(
            "You returned an ObjectRef, a ticket for the result. Trade it in: ray.get(...)"
        )
    if returned is None:
        raise NotYet("Your function returned None. Does it end with a return?")
    if isinstance(returned, list) and len(returned) == 1:
        raise NotYet("You returned a list with the result in it. ray.get takes a single ref too.")
    if not isinstance(returned, tuple) or returned[:1] != (x,):
        raise NotYet(
            f"For x = {x} the result should be what function(x) returns, but you returned "
            f"{type(returned).__name__}: {str(returned)[:80]}. Do you pass x on to the task?"
        )
    worker = returned[1]
    if worker == here:
        raise NotYet(
            f"The result is right, but process {here} computed it itself: the same process that "
            "ran your function. Make a task of it: ray.remote(function) has a .remote(...)."
        )
    return f"process {here} asked, worker process {worker} computed."


def _call(answer, x):
    return answer(lambda value: (value, os.getpid()), x), os.getpid()
