"""Answers to the exercise of lab 00."""

WRONG = {
    "as_task": [
        (
            "calls it directly",
            "def as_task(function, x):\n    return function(x)",
            "computed it itself",
        ),
        (
            "makes it remote and calls the plain one",
            "def as_task(function, x):\n    ray.remote(function)\n    return function(x)",
            "computed it itself",
        ),
        (
            "forgets ray.get",
            "def as_task(function, x):\n    return ray.remote(function).remote(x)",
            "ray.get",
        ),
        (
            "forgets .remote",
            "def as_task(function, x):\n    return ray.get(ray.remote(function)(x))",
            "cannot be called directly",
        ),
        (
            "forgets return",
            "def as_task(function, x):\n    ray.get(ray.remote(function).remote(x))",
            "returned None",
        ),
        (
            "decorates as_task itself",
            "@ray.remote\ndef as_task(function, x):\n    return function(x)",
            "Leave off the @ray.remote",
        ),
        (
            "calls the function on the way",
            "def as_task(function, x):\n    return ray.get(ray.remote(function(x)).remote())",
            "not given a function",
        ),
        (
            "gets a list",
            "def as_task(function, x):\n    return ray.get([ray.remote(function).remote(x)])",
            "a list with the result in it",
        ),
        (
            "forgets x",
            "def as_task(function, x):\n    return ray.get(ray.remote(function).remote(1000))",
            "pass x on",
        ),
        (
            "waits for ever",
            "def as_task(function, x):\n    while True:\n        pass",
            "still running after",
        ),
    ],
}

RIGHT = {}
