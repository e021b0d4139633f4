"""Answers to the exercises of lab 01."""

WRONG = {
    "all_at_once": [
        (
            "gets inside the loop",
            """
def all_at_once(function, items):
    task = ray.remote(function)
    return [ray.get(task.remote(item)) for item in items]
""",
            "1 of 5 items had been submitted",
        ),
        (
            "gets in pairs",
            """
def all_at_once(function, items):
    task = ray.remote(function)
    results = []
    for at in range(0, len(items), 2):
        results += ray.get([task.remote(item) for item in items[at : at + 2]])
    return results
""",
            "2 of 5 items had been submitted",
        ),
        (
            "returns refs",
            """
def all_at_once(function, items):
    task = ray.remote(function)
    return [task.remote(item) for item in items]
""",
            "You returned refs",
        ),
        (
            "computes by itself",
            """
def all_at_once(function, items):
    return [function(item) for item in items]
""",
            "5 of 5 results were computed by process",
        ),
        (
            "in order of finishing",
            """
def all_at_once(function, items):
    task = ray.remote(function)
    waiting = [task.remote(item) for item in items]
    results = []
    while waiting:
        [done], waiting = ray.wait(waiting)
        results.append(ray.get(done))
    return results
""",
            "whichever was ready first",
        ),
        (
            "one task for all",
            """
def all_at_once(function, items):
    @ray.remote
    def everything(items):
        return [function(item) for item in items]

    return ray.get(everything.remote(items))
""",
            "5 items went into 1 task(s)",
        ),
        (
            "returns in the loop",
            """
def all_at_once(function, items):
    task = ray.remote(function)
    for item in items:
        return [ray.get(task.remote(item))]
""",
            "5 items went in, 1 results came out",
        ),
        (
            "forgets .remote",
            """
def all_at_once(function, items):
    task = ray.remote(function)
    return ray.get([task(item) for item in items])
""",
            "cannot be called directly",
        ),
        (
            "forgets return",
            """
def all_at_once(function, items):
    task = ray.remote(function)
    ray.get([task.remote(item) for item in items])
""",
            "returned None",
        ),
        (
            "hands the list over",
            """
def all_at_once(function, items):
    return ray.get(ray.remote(function).remote(items))
""",
            "Your code raised",
        ),
        (
            "makes text of them",
            """def all_at_once(function, items):
    task = ray.remote(function)
    return [str(one) for one in ray.get([task.remote(item) for item in items])]
""",
            "not what function returned",
        ),
    ],
    "in_batches": [
        (
            "a list of lists",
            """
def in_batches(function, items, size):
    @ray.remote
    def batch(some):
        return [function(item) for item in some]

    return ray.get([batch.remote(items[at : at + size]) for at in range(0, len(items), size)])
""",
            "Make one flat list",
        ),
        (
            "loses the last batch",
            """
def in_batches(function, items, size):
    @ray.remote
    def batch(some):
        return [function(item) for item in some]

    count = len(items) // size
    refs = [batch.remote(items[i * size : (i + 1) * size]) for i in range(count)]
    return sum(ray.get(refs), [])
""",
            "7 items went in, 6 results came out. The last batch, of 1, counts too.",
        ),
        (
            "a task for each item",
            """
def in_batches(function, items, size):
    task = ray.remote(function)
    return ray.get([task.remote(item) for item in items])
""",
            "your 7 task(s) took",
        ),
        (
            "one task too many where size divides",
            """
def in_batches(function, items, size):
    @ray.remote
    def batch(some):
        return [function(item) for item in some]

    count = len(items) // size + 1
    refs = [batch.remote(items[i * size : (i + 1) * size]) for i in range(count)]
    return sum(ray.get(refs), [])
""",
            "you submitted 3 task(s) for 6 items; 2 are needed",
        ),
        (
            "three batches and no other number",
            """
def in_batches(function, items, size):
    @ray.remote
    def batch(some):
        return [function(item) for item in some]

    cuts = items[:size], items[size : 2 * size], items[2 * size :]
    first, second, third = ray.get([batch.remote(some) for some in cuts])
    return first + second + third
""",
            "you submitted 3 task(s) for 6 items; 2 are needed",
        ),
        (
            "stumbles over no items",
            """
def in_batches(function, items, size):
    @ray.remote
    def batch(some):
        return [function(item) for item in some]

    first, *others = [batch.remote(items[at : at + size]) for at in range(0, len(items), size)]
    return ray.get(first) + [result for ref in others for result in ray.get(ref)]
""",
            "for 0 items you raised ValueError",
        ),
        (
            "takes size for the number of batches",
            """
def in_batches(function, items, size):
    @ray.remote
    def batch(some):
        return [function(item) for item in some]

    each = len(items) // size
    cuts = [i * each for i in range(size)] + [len(items)]
    refs = [batch.remote(items[cuts[i] : cuts[i + 1]]) for i in range(size)]
    return sum(ray.get(refs), [])
""",
            "took [2, 2, 3]",
        ),
        (
            "deals them out like cards",
            """
def in_batches(function, items, size):
    @ray.remote
    def batch(some):
        return [function(item) for item in some]

    count = -(-len(items) // size)
    return sum(ray.get([batch.remote(items[i::count]) for i in range(count)]), [])
""",
            "should stand in the order of the items",
        ),
        (
            "gets inside the loop",
            """
def in_batches(function, items, size):
    @ray.remote
    def batch(some):
        return [function(item) for item in some]

    results = []
    for at in range(0, len(items), size):
        results += ray.get(batch.remote(items[at : at + size]))
    return results
""",
            "3 of 7 items had been submitted",
        ),
        (
            "computes by itself",
            """
def in_batches(function, items, size):
    batches = [items[at : at + size] for at in range(0, len(items), size)]
    return [function(item) for batch in batches for item in batch]
""",
            "7 of 7 results were computed by process",
        ),
        (
            "returns refs",
            """
def in_batches(function, items, size):
    @ray.remote
    def batch(some):
        return [function(item) for item in some]

    return [batch.remote(items[at : at + size]) for at in range(0, len(items), size)]
""",
            "You returned refs",
        ),
        (
            "gives up on few",
            """def in_batches(function, items, size):
    if len(items) < size:
        return []

    @ray.remote
    def batch(some):
        return [function(item) for item in some]

    refs = [batch.remote(items[at : at + size]) for at in range(0, len(items), size)]
    return [result for results in ray.get(refs) for result in results]
""",
            "It should hold for any number of items",
        ),
    ],
    "share_once": [
        (
            "ships it with every call",
            """
def share_once(function, array, numbers):
    task = ray.remote(function)
    return ray.get([task.remote(array, n) for n in numbers])
""",
            "pickled 5 times for 5 numbers",
        ),
        (
            "puts inside the loop",
            """
def share_once(function, array, numbers):
    task = ray.remote(function)
    return ray.get([task.remote(ray.put(array), n) for n in numbers])
""",
            "pickled 5 times for 5 numbers",
        ),
        (
            "passes the ref in a list",
            """
def share_once(function, array, numbers):
    task = ray.remote(function)
    ref = ray.put(array)
    return ray.get([task.remote([ref], n) for n in numbers])
""",
            "received a ref where the array should be",
        ),
        (
            "captures the array",
            """
def share_once(function, array, numbers):
    task = ray.remote(lambda n: function(array, n))
    return ray.get([task.remote(n) for n in numbers])
""",
            "mentions the array",
        ),
        (
            "puts it and captures it all the same",
            """
def share_once(function, array, numbers):
    ref = ray.put(array)

    @ray.remote
    def task(n):
        return function(array, n)

    return ray.get([task.remote(n) for n in numbers])
""",
            "pickled 2 time(s), and the tasks worked on a copy that came inside",
        ),
        (
            "one task for all",
            """
def share_once(function, array, numbers):
    @ray.remote
    def everything(array, numbers):
        return [function(array, n) for n in numbers]

    return ray.get(everything.remote(ray.put(array), numbers))
""",
            "5 numbers went into 1 task(s)",
        ),
        (
            "gets it back before the call",
            """
def share_once(function, array, numbers):
    task = ray.remote(function)
    ref = ray.put(array)
    return ray.get([task.remote(ray.get(ref), n) for n in numbers])
""",
            "more than one copy",
        ),
        (
            "gets inside the loop",
            """
def share_once(function, array, numbers):
    task = ray.remote(function)
    ref = ray.put(array)
    return [ray.get(task.remote(ref, n)) for n in numbers]
""",
            "1 of 5 items had been submitted",
        ),
        (
            "computes by itself",
            """
def share_once(function, array, numbers):
    array = ray.get(ray.put(array))
    return [function(array, n) for n in numbers]
""",
            "5 of 5 results were computed by process",
        ),
        (
            "returns refs",
            """
def share_once(function, array, numbers):
    task = ray.remote(function)
    ref = ray.put(array)
    return [task.remote(ref, n) for n in numbers]
""",
            "You returned refs",
        ),
    ],
    "within": [
        (
            "only stops waiting",
            """
def within(function, x, seconds):
    ref = ray.remote(function).remote(x)
    try:
        return ray.get(ref, timeout=seconds)
    except ray.exceptions.GetTimeoutError:
        return None
""",
            "the task goes on",
        ),
        (
            "only asks",
            """
def within(function, x, seconds):
    ref = ray.remote(function).remote(x)
    try:
        return ray.get(ref, timeout=seconds)
    except ray.exceptions.GetTimeoutError:
        ray.cancel(ref)
        return None
""",
            "a plain ray.cancel",
        ),
        (
            "catches everything",
            """
def within(function, x, seconds):
    ref = ray.remote(function).remote(x)
    try:
        return ray.get(ref, timeout=seconds)
    except Exception:
        ray.cancel(ref, force=True)
        return None
""",
            "raised a KeyError, and within returned",
        ),
        (
            "catches nothing",
            """
def within(function, x, seconds):
    return ray.get(ray.remote(function).remote(x), timeout=seconds)
""",
            "GetTimeoutError",
        ),
        (
            "computes by itself",
            """
def within(function, x, seconds):
    start = time.time()
    result = function(x)
    return result if time.time() - start < seconds else None
""",
            "1 of 1 results were computed by process",
        ),
        (
            "measures afterwards",
            """
def within(function, x, seconds):
    start = time.time()
    result = ray.get(ray.remote(function).remote(x))
    return result if time.time() - start < seconds else None
""",
            "waited until the task had ended",
        ),
        (
            "sleeps for the whole limit",
            """
def within(function, x, seconds):
    ref = ray.remote(function).remote(x)
    time.sleep(seconds)
    ready, _ = ray.wait([ref], timeout=0)
    if ready:
        return ray.get(ref)
    ray.cancel(ref, force=True)
""",
            "waited for the whole limit",
        ),
        (
            "cancels before it looks",
            """
def within(function, x, seconds):
    ref = ray.remote(function).remote(x)
    ray.cancel(ref, force=True)
    return ray.get(ref, timeout=seconds)
""",
            "TaskCancelledError",
        ),
        (
            "returns what wait returns",
            """
def within(function, x, seconds):
    ref = ray.remote(function).remote(x)
    ready, late = ray.wait([ref], timeout=seconds)
    for one in late:
        ray.cancel(one, force=True)
    return ready[0] if ready else None
""",
            "You returned a ref",
        ),
        (
            "returns the error",
            """
def within(function, x, seconds):
    ref = ray.remote(function).remote(x)
    try:
        return ray.get(ref, timeout=seconds)
    except ray.exceptions.GetTimeoutError as error:
        ray.cancel(ref, force=True)
        return error
""",
            "within should return None",
        ),
        (
            "never returns a result",
            """
def within(function, x, seconds):
    ref = ray.remote(function).remote(x)
    try:
        ray.get(ref, timeout=seconds)
    except ray.exceptions.GetTimeoutError:
        ray.cancel(ref, force=True)
""",
            "came back as None",
        ),
    ],
}

RIGHT = {
    "all_at_once": [
        (
            "waits, then sorts by place",
            """
def all_at_once(function, items):
    task = ray.remote(function)
    places = {task.remote(item): place for place, item in enumerate(items)}
    results, waiting = [None] * len(items), list(places)
    while waiting:
        [done], waiting = ray.wait(waiting)
        results[places[done]] = ray.get(done)
    return results
""",
        ),
        (
            "gets in a second loop",
            """
def all_at_once(function, items):
    @ray.remote
    def task(item):
        return function(item)

    refs = []
    for item in items:
        refs.append(task.remote(item))
    results = []
    for ref in refs:
        results.append(ray.get(ref))
    return results
""",
        ),
    ],
    "in_batches": [
        (
            "with iterators",
            """
def in_batches(function, items, size):
    from itertools import chain, islice

    task = ray.remote(lambda some: list(map(function, some)))
    left, refs = iter(items), []
    while some := list(islice(left, size)):
        refs.append(task.remote(some))
    return list(chain(*ray.get(refs)))
""",
        ),
        (
            "the items in the store",
            """
def in_batches(function, items, size):
    @ray.remote
    def batch(items, at):
        return [function(item) for item in items[at : at + size]]

    everything = ray.put(items)
    results = []
    for ref in [batch.remote(everything, at) for at in range(0, len(items), size)]:
        results.extend(ray.get(ref))
    return results
""",
        ),
    ],
    "share_once": [
        (
            "the ref inside the function",
            """
def share_once(function, array, numbers):
    ref = ray.put(array)
    task = ray.remote(lambda n: function(ray.get(ref), n))
    return ray.get([task.remote(n) for n in numbers])
""",
        ),
        (
            "a wrapper that unpacks a list",
            """
def share_once(function, array, numbers):
    @ray.remote
    def task(refs, n):
        return function(ray.get(refs[0]), n)

    refs = [ray.put(array)]
    return ray.get([task.remote(refs, n) for n in numbers])
""",
        ),
    ],
    "within": [
        (
            "with wait",
            """
def within(function, x, seconds):
    ref = ray.remote(function).remote(x)
    ready, late = ray.wait([ref], timeout=seconds)
    if late:
        ray.cancel(ref, force=True)
        return None
    return ray.get(ref)
""",
        ),
        (
            "with an actor, killed",
            """
def within(function, x, seconds):
    @ray.remote
    class Runner:
        def call(self, x):
            return function(x)

    runner = Runner.remote()
    try:
        return ray.get(runner.call.remote(x), timeout=seconds)
    except ray.exceptions.GetTimeoutError:
        ray.kill(runner)
        return None
""",
        ),
    ],
}
