"""Answers to the exercises of lab 02."""

WRONG = {
    "chain": [
        (
            "a get in between",
            """
def chain(first, second, x):
    value = ray.get(first.remote(x))
    return ray.get(second.remote(value))
""",
            "the one that called chain",
        ),
        (
            "forgets the last get",
            """
def chain(first, second, x):
    return second.remote(first.remote(x))
""",
            "ray.get",
        ),
        (
            "calls without .remote",
            """
def chain(first, second, x):
    return ray.get(second(first(x)))
""",
            "cannot be called directly",
        ),
        (
            "hands over a list",
            """
def chain(first, second, x):
    return ray.get(second.remote([first.remote(x)]))
""",
            "a list with a ref in it",
        ),
        (
            "the wrong way round",
            """
def chain(first, second, x):
    return ray.get(first.remote(second.remote(x)))
""",
            "should go on into a task of `second`",
        ),
        (
            "second is given x",
            """
def chain(first, second, x):
    first.remote(x)
    return ray.get(second.remote(x))
""",
            "It should be given what `first` made",
        ),
        (
            "forgets x",
            """
def chain(first, second, x):
    return ray.get(second.remote(first.remote(2)))
""",
            "It should be called with x",
        ),
        (
            "another task fetches it",
            """
@ray.remote(num_cpus=0)
def both(first, second, x):
    return ray.get(second.remote(ray.get(first.remote(x))))


def chain(first, second, x):
    return ray.get(both.remote(first, second, x))
""",
            "ran neither of the two tasks",
        ),
        (
            "returns nothing",
            """
def chain(first, second, x):
    ray.get(second.remote(first.remote(x)))
""",
            "returned None, not what `second` returned",
        ),
        (
            "gives x back",
            """def chain(first, second, x):
    return x
""",
            "yours returned 'x",
        ),
    ],
    "pipeline": [
        (
            "a get after each stage",
            """
def pipeline(files, load, normalize, extract, loss):
    values = files
    for stage in (load, normalize, extract, loss):
        values = ray.get([stage.remote(value) for value in values])
    return values
""",
            "A get between the stages does that",
        ),
        (
            "one file after another",
            """
def pipeline(files, load, normalize, extract, loss):
    losses = []
    for file in files:
        normal = normalize.remote(load.remote(file))
        losses.append(ray.get(loss.remote(extract.remote(normal))))
    return losses
""",
            "one after another",
        ),
        (
            "everything in a list",
            """
def pipeline(files, load, normalize, extract, loss):
    loaded = [load.remote(file) for file in files]
    return ray.get([loss.remote(extract.remote(normalize.remote(loaded)))])
""",
            "was given a list",
        ),
        (
            "forgets a stage",
            """
def pipeline(files, load, normalize, extract, loss):
    return ray.get([loss.remote(extract.remote(load.remote(file))) for file in files])
""",
            "load → extract → loss; it should be",
        ),
        (
            "forgets the get",
            """
def pipeline(files, load, normalize, extract, loss):
    return [
        loss.remote(extract.remote(normalize.remote(load.remote(file)))) for file in files
    ]
""",
            "Give the whole list to ray.get",
        ),
        (
            "in the order in which they finish",
            """
def pipeline(files, load, normalize, extract, loss):
    running = [loss.remote(extract.remote(normalize.remote(load.remote(f)))) for f in files]
    losses = []
    while running:
        [ready], running = ray.wait(running)
        losses.append(ray.get(ready))
    return losses
""",
            "in the order of files",
        ),
        (
            "waits after each stage without a get",
            """
def pipeline(files, load, normalize, extract, loss):
    refs = files
    for stage in (load, normalize, extract, loss):
        refs = [stage.remote(ref) for ref in refs]
        ray.wait(refs, num_returns=len(refs))
    return ray.get(refs)
""",
            "is there a ray.wait",
        ),
        (
            "only the last file",
            """
def pipeline(files, load, normalize, extract, loss):
    for file in files:
        ref = loss.remote(extract.remote(normalize.remote(load.remote(file))))
    return ray.get([ref])
""",
            "the list that you returned holds 1",
        ),
        (
            "stops before the loss",
            """
def pipeline(files, load, normalize, extract, loss):
    return ray.get([extract.remote(normalize.remote(load.remote(file))) for file in files])
""",
            "what `extract` made",
        ),
        (
            "makes up the losses",
            """def pipeline(files, load, normalize, extract, loss):
    return [1.0 for _ in files]
""",
            "should hold what `loss` returned",
        ),
    ],
    "tree_sum": [
        (
            "a chain",
            """
def tree_sum(add, values):
    total = ray.put(values[0])
    for value in values[1:]:
        total = add.remote(total, value)
    return ray.get(total)
""",
            "a chain; a tree needs",
        ),
        (
            "only even levels",
            """
def tree_sum(add, values):
    refs = [ray.put(value) for value in values]
    while len(refs) > 1:
        pairs = zip(refs[::2], refs[1::2], strict=True)
        refs = [add.remote(left, right) for left, right in pairs]
    return ray.get(refs[0])
""",
            "zip()",
        ),
        (
            "drops the odd one",
            """
def tree_sum(add, values):
    refs = [ray.put(value) for value in values]
    while len(refs) > 1:
        refs = [add.remote(left, right) for left, right in zip(refs[::2], refs[1::2])]
    return ray.get(refs[0])
""",
            "left out",
        ),
        (
            "a queue",
            """
from collections import deque


def tree_sum(add, values):
    queue = deque(ray.put(value) for value in values)
    while len(queue) > 1:
        queue.append(add.remote(queue.popleft(), queue.popleft()))
    return ray.get(queue[0])
""",
            "took them in the order",
        ),
        (
            "the odd one to itself",
            """
def tree_sum(add, values):
    refs = [ray.put(value) for value in values]
    while len(refs) > 1:
        if len(refs) % 2:
            refs.append(refs[-1])
        refs = [add.remote(left, right) for left, right in zip(refs[::2], refs[1::2])]
    return ray.get(refs[0])
""",
            "more than once",
        ),
        (
            "a get at every level",
            """
def tree_sum(add, values):
    while len(values) > 1:
        pairs = [values[i : i + 2] for i in range(0, len(values), 2)]
        refs = [add.remote(*pair) if len(pair) == 2 else ray.put(pair[0]) for pair in pairs]
        values = ray.get(refs)
    return values[0]
""",
            "A ray.get at every level",
        ),
        (
            "no thought of one value",
            """
def tree_sum(add, values):
    refs = list(values)
    while len(refs) > 1:
        pairs = [refs[i : i + 2] for i in range(0, len(refs), 2)]
        refs = [add.remote(*pair) if len(pair) == 2 else pair[0] for pair in pairs]
    return ray.get(refs[0])
""",
            "A single value is its own sum",
        ),
        (
            "forgets the get",
            """
def tree_sum(add, values):
    refs = [ray.put(value) for value in values]
    while len(refs) > 1:
        pairs = [refs[i : i + 2] for i in range(0, len(refs), 2)]
        refs = [add.remote(*pair) if len(pair) == 2 else pair[0] for pair in pairs]
    return refs[0]
""",
            "You returned an ObjectRef",
        ),
        (
            "adds in the driver",
            """
def tree_sum(add, values):
    return sum(values)
""",
            "Your code raised TypeError",
        ),
        (
            "all at once",
            """
def tree_sum(add, values):
    return ray.get(add.remote(*values))
""",
            "Your code raised TypeError",
        ),
        (
            "counts them",
            """def tree_sum(add, values):
    return len(values)
""",
            "not what `add` returns",
        ),
    ],
    "at_most": [
        (
            "batches",
            """
from itertools import islice


def at_most(function, items, limit):
    while batch := list(islice(items, limit)):
        yield from ray.get([function.remote(item) for item in batch])
""",
            "batches",
        ),
        (
            "all at once",
            """
def at_most(function, items, limit):
    running = [function.remote(item) for item in items]
    while running:
        [ready], running = ray.wait(running)
        yield ray.get(ready)
""",
            "the limit was 3",
        ),
        (
            "one too many",
            """
def at_most(function, items, limit):
    running = []
    for item in items:
        if len(running) > limit:
            [ready], running = ray.wait(running)
            yield ray.get(ready)
        running.append(function.remote(item))
    while running:
        [ready], running = ray.wait(running)
        yield ray.get(ready)
""",
            "4 tasks were in flight at once",
        ),
        (
            "one at a time",
            """
def at_most(function, items, limit):
    for item in items:
        yield ray.get(function.remote(item))
""",
            "Never more than 1 of 3",
        ),
        (
            "takes all items first",
            """
def at_most(function, items, limit):
    items, running = list(items), []
    while items or running:
        while items and len(running) < limit:
            running.append(function.remote(items.pop(0)))
        [ready], running = ray.wait(running)
        yield ray.get(ready)
""",
            "were taken before the first task",
        ),
        (
            "forgets the last ones",
            """
def at_most(function, items, limit):
    running = []
    for item in items:
        if len(running) == limit:
            [ready], running = ray.wait(running)
            yield ray.get(ready)
        running.append(function.remote(item))
""",
            "Of 14 items you yielded 11",
        ),
        (
            "waits for the oldest",
            """
def at_most(function, items, limit):
    running = []
    for item in items:
        if len(running) == limit:
            yield ray.get(running.pop(0))
        running.append(function.remote(item))
    yield from ray.get(running)
""",
            "in the order of the items",
        ),
        (
            "yields refs",
            """
def at_most(function, items, limit):
    running = []
    for item in items:
        if len(running) == limit:
            [ready], running = ray.wait(running)
            yield ready
        running.append(function.remote(item))
    yield from running
""",
            "of type ObjectRef",
        ),
        (
            "yields lists",
            """
def at_most(function, items, limit):
    running = []
    for item in items:
        if len(running) == limit:
            ready, running = ray.wait(running)
            yield ray.get(ready)
        running.append(function.remote(item))
    yield ray.get(running)
""",
            "of type list",
        ),
        (
            "gets the last ones together",
            """
def at_most(function, items, limit):
    running = []
    for item in items:
        if len(running) == limit:
            [ready], running = ray.wait(running)
            yield ray.get(ready)
        running.append(function.remote(item))
    for value in ray.get(running):
        yield value
""",
            "2 results that had been there before were still inside",
        ),
        (
            "returns a list",
            """
def at_most(function, items, limit):
    return window(list(items), limit)
""",
            "returned a list",
        ),
        (
            "keeps the results to the end",
            """
def at_most(function, items, limit):
    running, finished = [], []
    for item in items:
        if len(running) == limit:
            ready, running = ray.wait(running)
            finished += ready
        running.append(function.remote(item))
    for ref in finished + running:
        yield ray.get(ref)
""",
            "first result came out after",
        ),
        (
            "yields each twice",
            """def at_most(function, items, limit):
    running = []
    for item in items:
        if len(running) == limit:
            [ready], running = ray.wait(running)
            yield ray.get(ready)
            yield ray.get(ready)
        running.append(function.remote(item))
    while running:
        [ready], running = ray.wait(running)
        yield ray.get(ready)
        yield ray.get(ready)
""",
            "28 results for 14 items",
        ),
        (
            "submits from tasks",
            """def at_most(function, items, limit):
    @ray.remote(num_cpus=0)
    def submit(item):
        return ray.get(function.remote(item))

    running = []
    for item in items:
        if len(running) == limit:
            [ready], running = ray.wait(running)
            yield ray.get(ready)
        running.append(submit.remote(item))
    while running:
        [ready], running = ray.wait(running)
        yield ray.get(ready)
""",
            "Call it there, once for each item",
        ),
    ],
}

RIGHT = {
    "chain": [
        (
            "step by step",
            """
def chain(first, second, x):
    middle = first.remote(x)
    last = second.remote(middle)
    ray.wait([middle], fetch_local=False)
    [value] = ray.get([last])
    return value
""",
        ),
        (
            "in a task of its own",
            """
@ray.remote(num_cpus=0)
def both(first, second, x):
    return ray.get(second.remote(first.remote(x)))


def chain(first, second, x):
    return ray.get(both.remote(first, second, x))
""",
        ),
    ],
    "pipeline": [
        (
            "stage by stage, refs only",
            """
def pipeline(files, load, normalize, extract, loss):
    refs = files
    for stage in (load, normalize, extract, loss):
        refs = [stage.remote(ref) for ref in refs]
    return ray.get(refs)
""",
        ),
        (
            "by reduce, and a get for each loss at the end",
            """
import functools


def pipeline(files, *stages):
    def submit(file):
        return functools.reduce(lambda ref, stage: stage.remote(ref), stages, file)

    return tuple([ray.get(ref) for ref in [submit(file) for file in files]])
""",
        ),
        (
            "as they finish, put in order",
            """
def pipeline(files, load, normalize, extract, loss):
    place = {
        loss.remote(extract.remote(normalize.remote(load.remote(file)))): number
        for number, file in enumerate(files)
    }
    losses, running = [None] * len(files), list(place)
    while running:
        [ready], running = ray.wait(running)
        losses[place[ready]] = ray.get(ready)
    return losses
""",
        ),
    ],
    "tree_sum": [
        (
            "by halves",
            """
def tree_sum(add, values):
    def total(values):
        if len(values) == 1:
            return values[0]
        middle = len(values) // 2
        return add.remote(total(values[:middle]), total(values[middle:]))

    result = total(values)
    return ray.get(result) if isinstance(result, ray.ObjectRef) else result
""",
        ),
        (
            "in place, with growing steps",
            """
def tree_sum(add, values):
    refs = [ray.put(value) for value in values]
    step = 1
    while step < len(refs):
        for i in range(0, len(refs) - step, 2 * step):
            refs[i] = add.remote(refs[i], refs[i + step])
        step *= 2
    return ray.get(refs[0])
""",
        ),
    ],
    "at_most": [
        (
            "fill up, then one for one",
            """
from itertools import islice


def at_most(function, items, limit):
    items = iter(items)
    running = {function.remote(item) for item in islice(items, limit)}
    while running:
        [ready], _ = ray.wait(list(running))
        running.remove(ready)
        for item in islice(items, 1):
            running.add(function.remote(item))
        yield ray.get(ready)
""",
        ),
        (
            "room first, then the next item",
            """
def at_most(function, items, limit):
    items, running, more = iter(items), [], True
    while more or running:
        while more and len(running) < limit:
            try:
                running.append(function.remote(next(items)))
            except StopIteration:
                more = False
        if running:
            ready, running = ray.wait(running, num_returns=1)
            yield from ray.get(ready)
""",
        ),
    ],
}
