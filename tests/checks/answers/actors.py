"""Answers to the exercises of lab 03."""

WRONG = {
    "tally": [
        (
            "counts on the class",
            """
class Tally:
    words = {}

    def add(self, word):
        self.words[word] = self.words.get(word, 0) + 1

    def counts(self):
        return self.words
""",
            "kept on the class or in a global",
        ),
        (
            "counts in a global",
            """
WORDS = {}

class Tally:
    def add(self, word):
        WORDS[word] = WORDS.get(word, 0) + 1

    def counts(self):
        return WORDS
""",
            "kept on the class or in a global",
        ),
        (
            "a default argument that is shared",
            """
class Tally:
    def __init__(self, words={}):
        self.words = words

    def add(self, word):
        self.words[word] = self.words.get(word, 0) + 1

    def counts(self):
        return self.words
""",
            "kept on the class or in a global",
        ),
        (
            "forgets return",
            """
class Tally:
    def __init__(self):
        self.words = {}

    def add(self, word):
        self.words[word] = self.words.get(word, 0) + 1

    def counts(self):
        self.words
""",
            "returned None",
        ),
        (
            "an unknown word",
            """
class Tally:
    def __init__(self):
        self.words = {}

    def add(self, word):
        self.words[word] += 1

    def counts(self):
        return self.words
""",
            "KeyError: 'oak'",
        ),
        (
            "makes the dict anew in add",
            """
class Tally:
    def __init__(self):
        self.words = {}

    def add(self, word):
        self.words = {}
        self.words[word] = self.words.get(word, 0) + 1

    def counts(self):
        return self.words
""",
            "only the last word is left",
        ),
        (
            "never counts past one",
            """
class Tally:
    def __init__(self):
        self.words = {}

    def add(self, word):
        self.words[word] = 1

    def counts(self):
        return self.words
""",
            "it should be {'oak': 2, 'elm': 1}",
        ),
        (
            "a list of words",
            """
class Tally:
    def __init__(self):
        self.words = []

    def add(self, word):
        self.words.append(word)

    def counts(self):
        return self.words
""",
            "should be a dict",
        ),
        (
            "decorated, with a Counter",
            """
from collections import Counter

@ray.remote
class Tally:
    def __init__(self):
        self.words = Counter()

    def add(self, word):
        self.words[word] += 1
        return self.words[word]

    def counts(self):
        return self.words
""",
            "Take @ray.remote off",
        ),
        (
            "a function",
            """
def Tally():
    return {}
""",
            "should be a class",
        ),
        (
            "a lock in what counts returns",
            """
import threading

class Tally:
    def __init__(self):
        self.words = {"lock": threading.Lock()}

    def add(self, word):
        self.words[word] = self.words.get(word, 0) + 1

    def counts(self):
        return self.words
""",
            "cannot leave its process",
        ),
        (
            "keeps the last eight words",
            """class Tally:
    def __init__(self):
        self.words = []

    def add(self, word):
        self.words = [*self.words, word][-8:]

    def counts(self):
        return {word: self.words.count(word) for word in self.words}
""",
            "the actor counted 8",
        ),
    ],
    "report_all": [
        (
            "runs the function in the driver",
            """
def report_all(function, items, tally):
    ray.get([tally.add.remote(function(item)) for item in items])
""",
            "the one that runs report_all",
        ),
        (
            "forgets .remote on the method",
            """
def report_all(function, items, tally):
    @ray.remote
    def report(item, tally):
        tally.add(function(item))

    ray.get([report.remote(item, tally) for item in items])
""",
            "cannot be called directly",
        ),
        (
            "does not wait for the reports",
            """
def report_all(function, items, tally):
    @ray.remote
    def report(item, tally):
        tally.add.remote(function(item))

    ray.get([report.remote(item, tally) for item in items])
""",
            "were missing",
        ),
        (
            "does not wait for the tasks",
            """
def report_all(function, items, tally):
    @ray.remote
    def report(item, tally):
        ray.get(tally.add.remote(function(item)))

    return [report.remote(item, tally) for item in items]
""",
            "were missing",
        ),
        (
            "reports from the driver",
            """
def report_all(function, items, tally):
    results = ray.get([ray.remote(function).remote(item) for item in items])
    ray.get([tally.add.remote(result) for result in results])
""",
            "went to the tally from there",
        ),
        (
            "one actor per task",
            """
def report_all(function, items, tally):
    @ray.remote
    class Own:
        def add(self, word):
            pass

    @ray.remote
    def report(item):
        own = Own.options(num_cpus=0).remote()
        ray.get(own.add.remote(function(item)))

    ray.get([report.remote(item) for item in items[:2]])
""",
            "Nothing reached the actor",
        ),
        (
            "one after another",
            """
def report_all(function, items, tally):
    @ray.remote
    def report(item, tally):
        ray.get(tally.add.remote(function(item)))

    for item in items:
        ray.get(report.remote(item, tally))
""",
            "ran one after another",
        ),
        (
            "reports the item",
            """
def report_all(function, items, tally):
    @ray.remote
    def report(item, tally):
        function(item)
        ray.get(tally.add.remote(item))

    ray.get([report.remote(item, tally) for item in items])
""",
            "Report what function(item) returned",
        ),
        (
            "reports twice",
            """
def report_all(function, items, tally):
    @ray.remote
    def report(item, tally):
        word = function(item)
        ray.get([tally.add.remote(word), tally.add.remote(word)])

    ray.get([report.remote(item, tally) for item in items])
""",
            "reported twice",
        ),
        (
            "passes the counts, not the handle",
            """
def report_all(function, items, tally):
    @ray.remote
    def report(item, tally):
        ray.get(tally.add.remote(function(item)))

    ray.get([report.remote(item, tally.counts.remote()) for item in items])
""",
            "'dict' object has no attribute 'add'",
        ),
    ],
    "map_on_actors": [
        (
            "keeps results by item",
            """
def map_on_actors(actors, items):
    idle, busy, results = list(actors), {}, {}
    for item in items:
        if not idle:
            [done], _ = ray.wait(list(busy))
            other, actor = busy.pop(done)
            results[other] = ray.get(done)
            idle.append(actor)
        actor = idle.pop()
        busy[actor.work.remote(item)] = (item, actor)
    results |= {item: ray.get(ref) for ref, (item, _) in busy.items()}
    return [results[item] for item in items]
""",
            "keep results by place in the list",
        ),
        (
            "round robin",
            """
def map_on_actors(actors, items):
    return ray.get([actors[i % len(actors)].work.remote(item) for i, item in enumerate(items)])
""",
            "queued behind the slow actor",
        ),
        (
            "without the actors",
            """
def map_on_actors(actors, items):
    return [item * 10 for item in items]
""",
            "No actor was given any work",
        ),
        (
            "one actor only",
            """
def map_on_actors(actors, items):
    return ray.get([actors[0].work.remote(item) for item in items])
""",
            "went to the quick actor",
        ),
        (
            "get in the loop",
            """
def map_on_actors(actors, items):
    return [ray.get(actors[i % len(actors)].work.remote(item)) for i, item in enumerate(items)]
""",
            "stood idle",
        ),
        (
            "a pool that keeps the order",
            """
def map_on_actors(actors, items):
    pool = ray.util.ActorPool(actors)
    return list(pool.map(lambda actor, item: actor.work.remote(item), items))
""",
            "stood idle",
        ),
        (
            "a pool that loses the order",
            """
def map_on_actors(actors, items):
    pool = ray.util.ActorPool(actors)
    return list(pool.map_unordered(lambda actor, item: actor.work.remote(item), items))
""",
            "not in the order of the items",
        ),
        (
            "in rounds",
            """
def map_on_actors(actors, items):
    results = []
    for start in range(0, len(items), len(actors)):
        batch = zip(actors, items[start : start + len(actors)])
        results += ray.get([actor.work.remote(item) for actor, item in batch])
    return results
""",
            "stood idle",
        ),
        (
            "returns refs",
            """
def map_on_actors(actors, items):
    idle, busy, refs = list(actors), {}, []
    for item in items:
        if not idle:
            [done], _ = ray.wait(list(busy))
            idle.append(busy.pop(done))
        actor = idle.pop()
        refs.append(actor.work.remote(item))
        busy[refs[-1]] = actor
    return refs
""",
            "You returned refs",
        ),
        (
            "a generator",
            """
def map_on_actors(actors, items):
    pool = ray.util.ActorPool(actors)
    return pool.map(lambda actor, item: actor.work.remote(item), items)
""",
            "Return a list in place of a generator",
        ),
        (
            "fails on no items",
            """
def map_on_actors(actors, items):
    waiting, refs, busy = list(items), [], {}
    for actor in actors:
        refs.append(actor.work.remote(waiting.pop(0)))
        busy[refs[-1]] = actor
    while waiting:
        [done], _ = ray.wait(list(busy))
        actor = busy.pop(done)
        refs.append(actor.work.remote(waiting.pop(0)))
        busy[refs[-1]] = actor
    return ray.get(refs)
""",
            "pop from empty list",
        ),
        (
            "forgets the last ones",
            """
def map_on_actors(actors, items):
    idle, busy, results = list(actors), {}, {}
    for index, item in enumerate(items):
        if not idle:
            [done], _ = ray.wait(list(busy))
            at, actor = busy.pop(done)
            results[at] = ray.get(done)
            idle.append(actor)
        actor = idle.pop()
        busy[actor.work.remote(item)] = (index, actor)
    return [results[at] for at in sorted(results)]
""",
            "results",
        ),
    ],
    "safe_counter": [
        (
            "never saves",
            """
class SafeCounter:
    def __init__(self, storage):
        self.total = ray.get(storage.load.remote()) or 0

    def add(self, n):
        self.total += n
        return self.total
""",
            "Nothing was saved",
        ),
        (
            "saves when it is deleted",
            """
class SafeCounter:
    def __init__(self, storage):
        self.storage = storage
        self.total = ray.get(storage.load.remote()) or 0

    def add(self, n):
        self.total += n
        return self.total

    def __del__(self):
        ray.get(self.storage.save.remote(self.total))
""",
            "Nothing was saved",
        ),
        (
            "answers before it is saved",
            """
class SafeCounter:
    def __init__(self, storage):
        self.storage = storage
        self.total = ray.get(storage.load.remote()) or 0

    def add(self, n):
        self.total += n
        self.storage.save.remote(self.total)
        return self.total
""",
            "nobody waited for it",
        ),
        (
            "saves what was added",
            """
class SafeCounter:
    def __init__(self, storage):
        self.storage = storage
        self.total = ray.get(storage.load.remote()) or 0

    def add(self, n):
        self.total += n
        ray.get(self.storage.save.remote(n))
        return self.total
""",
            "the last n. Save the total",
        ),
        (
            "begins at zero",
            """
class SafeCounter:
    def __init__(self, storage):
        self.storage = storage
        self.total = 0

    def add(self, n):
        self.total += n
        ray.get(self.storage.save.remote(self.total))
        return self.total
""",
            "nobody loaded it",
        ),
        (
            "saves before it adds",
            """
class SafeCounter:
    def __init__(self, storage):
        self.storage = storage
        self.total = ray.get(storage.load.remote()) or 0

    def add(self, n):
        ray.get(self.storage.save.remote(self.total))
        self.total += n
        return self.total
""",
            "Add first, then save",
        ),
        (
            "an empty storage",
            """
class SafeCounter:
    def __init__(self, storage):
        self.storage = storage
        self.total = 0 + ray.get(storage.load.remote())

    def add(self, n):
        self.total += n
        ray.get(self.storage.save.remote(self.total))
        return self.total
""",
            "The first time the storage is empty",
        ),
        (
            "loads in add, on top of what it has",
            """
class SafeCounter:
    def __init__(self, storage):
        self.storage = storage
        self.total = 0

    def add(self, n):
        self.total += n + (ray.get(self.storage.load.remote()) or 0)
        ray.get(self.storage.save.remote(self.total))
        return self.total
""",
            "The total was 3, and add(4) returned 10",
        ),
        (
            "saves a ref of its own",
            """
class SafeCounter:
    def __init__(self, storage):
        self.storage = storage
        saved = ray.get(storage.load.remote())
        self.total = ray.get(saved[0]) if saved else 0

    def add(self, n):
        self.total += n
        ray.get(self.storage.save.remote([ray.put(self.total)]))
        return self.total
""",
            "You saved an ObjectRef",
        ),
        (
            "returns nothing",
            """
class SafeCounter:
    def __init__(self, storage):
        self.storage = storage
        self.total = ray.get(storage.load.remote()) or 0

    def add(self, n):
        self.total += n
        ray.get(self.storage.save.remote(self.total))
""",
            "returned None",
        ),
        (
            "forgets to get what was loaded",
            """
class SafeCounter:
    def __init__(self, storage):
        self.storage = storage
        self.total = storage.load.remote() or 0

    def add(self, n):
        self.total += n
        ray.get(self.storage.save.remote(self.total))
        return self.total
""",
            "ObjectRef",
        ),
        (
            "saves on another thread",
            """
import threading

class SafeCounter:
    def __init__(self, storage):
        self.storage = storage
        self.total = ray.get(storage.load.remote()) or 0

    def add(self, n):
        self.total += n
        save = lambda total: ray.get(self.storage.save.remote(total))
        threading.Thread(target=save, args=[self.total]).start()
        return self.total
""",
            "had not yet saved it",
        ),
        (
            "a function",
            """def SafeCounter(storage):
    return ray.get(storage.load.remote()) or 0
""",
            "should be a class",
        ),
        (
            "never comes back from add",
            """class SafeCounter:
    def __init__(self, storage):
        self.storage = storage

    def add(self, n):
        while True:
            time.sleep(0.1)
""",
            "had not returned after",
        ),
        (
            "waits until something is saved",
            """class SafeCounter:
    def __init__(self, storage):
        while ray.get(storage.load.remote()) is None:
            time.sleep(0.1)
""",
            "Your __init__ had not returned",
        ),
        (
            "expects a dict after the restart",
            """class SafeCounter:
    def __init__(self, storage):
        self.storage, self.total = storage, 0
        state = ray.get(storage.load.remote())
        if state is not None:
            self.total = state["total"]

    def add(self, n):
        self.total += n
        ray.get(self.storage.save.remote(self.total))
        return self.total
""",
            "After the restart __init__ failed",
        ),
        (
            "saves n, and loads nothing",
            """class SafeCounter:
    def __init__(self, storage):
        self.storage, self.total = storage, 0

    def add(self, n):
        self.total += n
        ray.get(self.storage.save.remote(n))
        return self.total
""",
            "It began at 0 again",
        ),
        (
            "adds what was saved twice",
            """class SafeCounter:
    def __init__(self, storage):
        self.storage = storage
        self.total = 2 * (ray.get(storage.load.remote()) or 0)

    def add(self, n):
        self.total += n
        ray.get(self.storage.save.remote(self.total))
        return self.total
""",
            "It should be 14; the storage held 12",
        ),
    ],
}

RIGHT = {
    "tally": [
        (
            "async",
            """
class Tally:
    def __init__(self):
        self.words = {}

    async def add(self, word):
        self.words[word] = self.words.get(word, 0) + 1

    async def counts(self):
        return dict(self.words)
""",
        ),
        (
            "keeps the words and counts later",
            """
class Tally:
    def __init__(self):
        self.words = []

    def add(self, word):
        self.words.append(word)

    def counts(self):
        return {word: self.words.count(word) for word in self.words}
""",
        ),
    ],
    "report_all": [
        (
            "the driver waits for the reports",
            """
def report_all(function, items, tally):
    @ray.remote
    def report(item):
        return tally.add.remote(function(item))

    ray.get(ray.get([report.remote(item) for item in items]))
""",
        ),
        (
            "with ray.wait and everything passed",
            """
@ray.remote
def report_one(function, item, tally):
    ray.get(tally.add.remote(function(item)))
    return True

def report_all(function, items, tally):
    pending = [report_one.remote(function, item, tally) for item in items]
    while pending:
        done, pending = ray.wait(pending)
        ray.get(done)
    return len(items)
""",
        ),
        (
            "two tasks an item",
            """
def report_all(function, items, tally):
    @ray.remote
    def report(word):
        ray.get(tally.add.remote(word))

    @ray.remote
    def both(item):
        ray.get(report.options(num_cpus=0).remote(function(item)))

    ray.get([both.remote(item) for item in items])
""",
        ),
    ],
    "map_on_actors": [
        (
            "a pool and pairs",
            """
def map_on_actors(actors, items):
    @ray.remote(num_cpus=0)
    def pair(index, result):
        return index, result

    pool = ray.util.ActorPool(actors)
    work = lambda actor, one: pair.remote(one[0], actor.work.remote(one[1]))
    return [result for _, result in sorted(pool.map_unordered(work, list(enumerate(items))))]
""",
        ),
        (
            "a thread for each actor",
            """
import queue
import threading

def map_on_actors(actors, items):
    results, waiting = [None] * len(items), queue.Queue()
    for one in enumerate(items):
        waiting.put(one)

    def serve(actor):
        while True:
            try:
                index, item = waiting.get_nowait()
            except queue.Empty:
                return
            results[index] = ray.get(actor.work.remote(item))

    threads = [threading.Thread(target=serve, args=[actor]) for actor in actors]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results
""",
        ),
        (
            "ray.wait and a dict by index",
            """
def map_on_actors(actors, items):
    idle, running, results = list(actors), {}, {}
    waiting = list(enumerate(items))
    while waiting or running:
        while waiting and idle:
            index, item = waiting.pop(0)
            actor = idle.pop(0)
            running[actor.work.remote(item)] = index, actor
        done, _ = ray.wait(list(running))
        for ref in done:
            index, actor = running.pop(ref)
            results[index] = ray.get(ref)
            idle.append(actor)
    return [results[index] for index in range(len(items))]
""",
        ),
    ],
    "safe_counter": [
        (
            "keeps nothing itself",
            """
class SafeCounter:
    def __init__(self, storage):
        self.storage = storage

    def add(self, n):
        total = (ray.get(self.storage.load.remote()) or 0) + n
        ray.get(self.storage.save.remote(total))
        return total
""",
        ),
        (
            "async, decorated, a dict",
            """
@ray.remote
class SafeCounter:
    def __init__(self, storage):
        self.storage, self.state = storage, None

    async def add(self, n):
        if self.state is None:
            self.state = await self.storage.load.remote() or {"total": 0}
        self.state["total"] += n
        await self.storage.save.remote(self.state)
        return self.state["total"]
""",
        ),
        (
            "waits with ray.wait",
            """
class SafeCounter:
    def __init__(self, storage):
        self.storage = storage
        saved = ray.get(storage.load.remote())
        self.total = 0 if saved is None else saved

    def add(self, n):
        self.total += n
        ray.wait([self.storage.save.remote(self.total)])
        return self.total
""",
        ),
    ],
}
