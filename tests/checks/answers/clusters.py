"""Answers to the exercises of lab 06."""

_DEF = "def run_on_each_machine(task):\n"
_ALIVE = f"{_DEF}    alive = [node['NodeID'] for node in ray.nodes() if node['Alive']]\n"
_ALL = f"{_DEF}    alive = [node['NodeID'] for node in ray.nodes()]\n"
_BY_LABEL = (
    "    refs = {one: task.options(label_selector={'ray.io/node-id': one}).remote()\n"
    "            for one in alive}\n"
)
_SOFTLY = (
    "    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy as Affinity\n"
    "    refs = {one: task.options(scheduling_strategy=Affinity(one, soft=True)).remote()\n"
    "            for one in alive}\n"
)
_GET = "    return {one: ray.get(ref) for one, ref in refs.items()}"

_MEAN = "    return sum(total for total, _ in described) / sum(count for _, count in described)"

_TASKS = (
    "    ray.get([one.remote(part) for part in parts])\n    return ray.get(ledger.total.remote())"
)
_PUT = "    def one(part):\n        ray.get(ledger.put.remote(part, count(part)))\n"

WRONG = {
    "overall_mean": [
        (
            "fetches the parts first",
            "def overall_mean(describe, parts):\n"
            "    described = ray.get([describe.remote(array) for array in ray.get(parts)])\n"
            + _MEAN,
            "on another machine than they lie on",
        ),
        (
            "spreads",
            "def overall_mean(describe, parts):\n"
            "    spread = describe.options(scheduling_strategy='SPREAD')\n"
            "    described = ray.get([spread.remote(part) for part in parts])\n" + _MEAN,
            "on another machine than they lie on",
        ),
        (
            "waits for one before the next",
            "def overall_mean(describe, parts):\n"
            "    described = [ray.get(describe.remote(part)) for part in parts]\n" + _MEAN,
            "one after another",
        ),
        (
            "takes the mean of the means",
            "def overall_mean(describe, parts):\n"
            "    described = ray.get([describe.remote(part) for part in parts])\n"
            "    return sum(total / count for total, count in described) / len(parts)",
            "mean of the parts' means",
        ),
        (
            "brings all together",
            "def overall_mean(describe, parts):\n    return np.concatenate(ray.get(parts)).mean()",
            "describe was not called",
        ),
        (
            "describes twice",
            """def overall_mean(describe, parts):
    sums = ray.get([describe.remote(part) for part in parts])
    counts = ray.get([describe.remote(part) for part in parts])
    return sum(total for total, _ in sums) / sum(count for _, count in counts)
""",
            "was described more than once",
        ),
        (
            "leaves out the first",
            """def overall_mean(describe, parts):
    described = ray.get([describe.remote(part) for part in parts[1:]])
    return sum(total for total, _ in described) / sum(count for _, count in described)
""",
            "There are 5 parts; 4 were described",
        ),
        (
            "the sum",
            """def overall_mean(describe, parts):
    return sum(total for total, _ in ray.get([describe.remote(part) for part in parts]))
""",
            "The mean of all readings was asked for",
        ),
    ],
    "run_on_each_machine": [
        (
            "spreads",
            _ALIVE + "    spread = task.options(scheduling_strategy='SPREAD')\n"
            "    return dict(zip(alive, ray.get([spread.remote() for _ in alive])))",
            " machine",  # Ray chooses where: one is left out, or two are mixed up
        ),
        ("asks the dead too", _ALL + _BY_LABEL + _GET, "machines that have died"),
        ("asks the dead too, softly", _ALL + _SOFTLY + _GET, "a soft wish is met elsewhere"),
        (
            "waits for one before the next",
            _ALIVE + "    return {one: ray.get(task.options(\n"
            "        label_selector={'ray.io/node-id': one}).remote()) for one in alive}",
            "one after another",
        ),
        (
            "leaves out the head",
            "def run_on_each_machine(task):\n"
            "    alive = [node['NodeID'] for node in ray.nodes() if node['Alive']\n"
            "             and 'node:__internal_head__' not in node['Resources']]\n"
            + _BY_LABEL
            + _GET,
            "No task ran on head",
        ),
        (
            "returns a list",
            _ALIVE + _BY_LABEL + "    return ray.get(list(refs.values()))",
            "Return a dict",
        ),
        (
            "only names them",
            """def run_on_each_machine(task):
    return {node["NodeID"]: None for node in ray.nodes() if node["Alive"]}
""",
            "The task did not run",
        ),
        (
            "turns the order round",
            """def run_on_each_machine(task):
    alive = [node["NodeID"] for node in ray.nodes() if node["Alive"]]
    refs = [task.options(label_selector={"ray.io/node-id": one}).remote() for one in alive]
    return dict(zip(alive[::-1], ray.get(refs)))
""",
            "under the id of another machine",
        ),
    ],
    "exact_total": [
        (
            "adds in the task",
            "def exact_total(count, parts, ledger):\n    @ray.remote\n    def one(part):\n"
            "        ray.get(ledger.add.remote(count(part)))\n" + _TASKS,
            "the number was added once more",
        ),
        (
            "no second try",
            "def exact_total(count, parts, ledger):\n    @ray.remote(max_retries=0)\n"
            + _PUT
            + _TASKS,
            "your code gave up: WorkerCrashedError",
        ),
        (
            "counts at home",
            "def exact_total(count, parts, ledger):\n"
            "    for part in parts:\n        ray.get(ledger.put.remote(part, count(part)))\n"
            "    return ray.get(ledger.total.remote())",
            "in your notebook, and not in a task",
        ),
        (
            "does not wait for the ledger",
            "def exact_total(count, parts, ledger):\n    @ray.remote\n    def one(part):\n"
            "        ledger.put.remote(part, count(part))\n" + _TASKS,
            "every task for the ledger",
        ),
        (
            "an actor that stays dead",
            "def exact_total(count, parts, ledger):\n"
            "    @ray.remote\n    class Counter:\n        def one(self, part):\n"
            "            ray.get(ledger.put.remote(part, count(part)))\n"
            "    counter = Counter.remote()\n"
            "    ray.get([counter.one.remote(part) for part in parts])\n"
            "    return ray.get(ledger.total.remote())",
            "and not an actor's calls unless",
        ),
        (
            "takes count for a remote function",
            "def exact_total(count, parts, ledger):\n"
            "    refs = [ledger.put.remote(part, count.remote(part)) for part in parts]\n"
            "    ray.get(refs)\n    return ray.get(ledger.total.remote())",
            "has no attribute 'remote'",
        ),
        (
            "leaves out what was lost",
            "def exact_total(count, parts, ledger):\n    @ray.remote(max_retries=0)\n"
            + _PUT
            + "    for ref in [one.remote(part) for part in parts]:\n"
            "        try:\n            ray.get(ref)\n"
            "        except ray.exceptions.WorkerCrashedError:\n            pass\n"
            "    return ray.get(ledger.total.remote())",
            "whose process was killed left out",
        ),
        (
            "does not wait",
            "def exact_total(count, parts, ledger):\n    @ray.remote\n"
            + _PUT
            + "    for part in parts:\n        one.remote(part)\n"
            "    return ray.get(ledger.total.remote())",
            "Did it wait for every task",
        ),
        (
            "forgets to return",
            """def exact_total(count, parts, ledger):
    @ray.remote
    def one(part):
        ray.get(ledger.put.remote(part, count(part)))

    ray.get([one.remote(part) for part in parts])
""",
            "Return the ledger's total",
        ),
    ],
}

RIGHT = {
    "overall_mean": [
        (
            "pairs by zip",
            "def overall_mean(describe, parts):\n"
            "    totals, counts = zip(*ray.get([describe.remote(part) for part in parts]))\n"
            "    return sum(totals) / sum(counts)",
        ),
        (
            "as they come",
            "def overall_mean(describe, parts):\n"
            "    waiting = [describe.remote(part) for part in parts]\n    total = count = 0\n"
            "    while waiting:\n        [done], waiting = ray.wait(waiting)\n"
            "        pair = ray.get(done)\n        total += pair[0]\n        count += pair[1]\n"
            "    return total / count",
        ),
        (
            "adds up in a task",
            "def overall_mean(describe, parts):\n"
            "    @ray.remote\n    def mean(*described):\n"
            "        totals, counts = zip(*described)\n        return sum(totals) / sum(counts)\n"
            "    return ray.get(mean.remote(*[describe.remote(part) for part in parts]))",
        ),
    ],
    "run_on_each_machine": [
        ("node affinity", _ALIVE + _SOFTLY.replace("soft=True", "soft=False") + _GET),
    ],
    "exact_total": [
        (
            "hands the ledger a ref",
            "def exact_total(count, parts, ledger):\n    one = ray.remote(count)\n"
            "    ray.get([ledger.put.remote(part, one.remote(part)) for part in parts])\n"
            "    return ray.get(ledger.total.remote())",
        ),
        (
            "adds at home",
            "def exact_total(count, parts, ledger):\n    @ray.remote\n    def one(part):\n"
            "        return count(part)\n"
            "    for number in ray.get([one.remote(part) for part in parts]):\n"
            "        ledger.add.remote(number)\n    return ray.get(ledger.total.remote())",
        ),
        (
            "an actor that comes back",
            "def exact_total(count, parts, ledger):\n"
            "    @ray.remote(max_restarts=-1, max_task_retries=-1)\n    class Counter:\n"
            "        def one(self, part):\n"
            "            ray.get(ledger.put.remote(part, count(part)))\n"
            "    counter = Counter.remote()\n"
            "    ray.get([counter.one.remote(part) for part in parts])\n"
            "    return ray.get(ledger.total.remote())",
        ),
    ],
}
