"""Answers to the exercises of lab 04."""

WRONG = {
    "start_team": [
        (
            "as declared",
            """
def start_team(worker, count):
    return [worker.remote() for _ in range(count)]
""",
            "cores between them",
        ),
        (
            "one core each",
            """
def start_team(worker, count):
    return [worker.options(num_cpus=1).remote() for _ in range(count)]
""",
            "ask for 3 cores",
        ),
        (
            "one actor many times",
            """
def start_team(worker, count):
    return [worker.options(num_cpus=0).remote()] * count
""",
            "hold 1 actor",
        ),
        (
            "forgets remote",
            """
def start_team(worker, count):
    return [worker.options(num_cpus=0) for _ in range(count)]
""",
            "a list with",
        ),
        (
            "one handle",
            """
def start_team(worker, count):
    return worker.options(num_cpus=0).remote()
""",
            "you returned ActorHandle",
        ),
        (
            "the option as an argument of the actor",
            """
def start_team(worker, count):
    return [worker.remote(num_cpus=0) for _ in range(count)]
""",
            "TypeError",
        ),
        (
            "waits until all have an answer to give",
            """
def start_team(worker, count):
    actors = [worker.remote() for _ in range(count)]
    ray.get([actor.answer.remote() for actor in actors])
    return actors
""",
            "nothing within 2 s",
        ),
        (
            "one too few",
            """
def start_team(worker, count):
    return [worker.options(num_cpus=0).remote() for _ in range(1, count)]
""",
            "yours holds 2",
        ),
    ],
    "failed_names": [
        (
            "gets everybody",
            """
def failed_names(links):
    names = []
    for name, link in links.items():
        try:
            ray.get(link)
        except ray.exceptions.RayError:
            names.append(name)
    return names
""",
            "which still runs",
        ),
        (
            "waits for all",
            """
def failed_names(links):
    ready, _ = ray.wait(list(links.values()), num_returns=len(links))
    return [name for name in links if links[name] in ready]
""",
            "which still runs",
        ),
        (
            "takes ended for failed",
            """
def failed_names(links):
    ready, _ = ray.wait(list(links.values()), num_returns=len(links), timeout=0)
    return [name for name, link in links.items() if link in ready]
""",
            "ended well",
        ),
        (
            "looks for dead processes only",
            """
def failed_names(links):
    ready, _ = ray.wait(list(links.values()), num_returns=len(links), timeout=0)
    names = []
    for name, link in links.items():
        if link in ready:
            try:
                ray.get(link)
            except ray.exceptions.WorkerCrashedError:
                names.append(name)
            except ray.exceptions.RayTaskError:
                pass
    return names
""",
            "raised exceptions of their own",
        ),
        (
            "looks for exceptions of the code only",
            """
def failed_names(links):
    ready, _ = ray.wait(list(links.values()), num_returns=len(links), timeout=0)
    names = []
    for name, link in links.items():
        if link in ready:
            try:
                ray.get(link)
            except ray.exceptions.RayTaskError:
                names.append(name)
            except ray.exceptions.RayError:
                pass
    return names
""",
            "no RayTaskError",
        ),
        (
            "names those that run",
            """
def failed_names(links):
    _, waiting = ray.wait(list(links.values()), num_returns=len(links), timeout=0)
    return [name for name, link in links.items() if link in waiting]
""",
            "still runs, and you named it",
        ),
        (
            "stops at the first",
            """
def failed_names(links):
    for name, link in links.items():
        if ray.wait([link], timeout=0)[0]:
            try:
                ray.get(link)
            except ray.exceptions.RayError:
                return [name]
    return []
""",
            "how many does ray.wait look for",
        ),
        (
            "asks one of the ready",
            """
def failed_names(links):
    ready, _ = ray.wait(list(links.values()), timeout=0)
    names = []
    for name, link in links.items():
        if link in ready:
            try:
                ray.get(link)
            except ray.exceptions.RayError:
                names.append(name)
    return names
""",
            "how many does ray.wait look for",
        ),
        (
            "catches nothing",
            """
def failed_names(links):
    ready, _ = ray.wait(list(links.values()), num_returns=len(links), timeout=0)
    return [name for name, link in links.items() if link in ready and ray.get(link) is None]
""",
            "your function let it through",
        ),
        (
            "returns refs",
            """
def failed_names(links):
    ready, _ = ray.wait(list(links.values()), num_returns=len(links), timeout=0)
    return ready
""",
            "Return a list of names",
        ),
        (
            "once for each kind of error",
            """def failed_names(links):
    ready, _ = ray.wait(list(links.values()), num_returns=len(links), timeout=0)
    names = []
    for kind in (ray.exceptions.RayError, ray.exceptions.RayTaskError):
        for name, link in links.items():
            if link in ready:
                try:
                    ray.get(link)
                except kind:
                    names.append(name)
                except ray.exceptions.RayError:
                    pass
    return names
""",
            "is in your list twice",
        ),
    ],
    "names_to_restart": [
        (
            "always one",
            """
def names_to_restart(strategy, children, name):
    if strategy not in ("one for one", "one for all", "rest for one"):
        raise ValueError(strategy)
    return [name]
""",
            "one for all",
        ),
        (
            "leaves the failed one out",
            """
def names_to_restart(strategy, children, name):
    at = children.index(name)
    rows = {"one for one": [name], "one for all": children, "rest for one": children[at + 1 :]}
    if strategy not in rows:
        raise ValueError(strategy)
    return rows[strategy]
""",
            "rest for one",
        ),
        (
            "those before instead of after",
            """
def names_to_restart(strategy, children, name):
    at = children.index(name)
    rows = {"one for one": [name], "one for all": children, "rest for one": children[: at + 1]}
    if strategy not in rows:
        raise ValueError(strategy)
    return rows[strategy]
""",
            "should start anew",
        ),
        (
            "the name, not a list",
            """
def names_to_restart(strategy, children, name):
    return name if strategy == "one for one" else children
""",
            "a list is asked for",
        ),
        (
            "the failed one first",
            """
def names_to_restart(strategy, children, name):
    if strategy == "one for one":
        return [name]
    if strategy == "one for all":
        return [name] + [child for child in children if child != name]
    if strategy == "rest for one":
        return children[children.index(name) :]
    raise ValueError(strategy)
""",
            "in the order of `children`",
        ),
        (
            "takes any name",
            """
def names_to_restart(strategy, children, name):
    if strategy == "one for one":
        return [name]
    if strategy == "one for all":
        return children
    return children[children.index(name) :]
""",
            "all for none",
        ),
        (
            "a dict that raises its own error",
            """
def names_to_restart(strategy, children, name):
    at = children.index(name)
    return {
        "one for one": [name],
        "one for all": children,
        "rest for one": children[at:],
    }[strategy]
""",
            "There your function raised a KeyError",
        ),
        (
            "a dict, and one too few",
            """
def names_to_restart(strategy, children, name):
    at = children.index(name)
    return {
        "one for one": [name],
        "one for all": children,
        "rest for one": children[at + 1 :],
    }[strategy]
""",
            "rest for one",
        ),
        (
            "in upper case",
            """
def names_to_restart(strategy, children, name):
    if strategy == "ONE FOR ONE":
        return [name]
""",
            "a list is asked for",
        ),
    ],
    "supervise": [
        (
            "gathers only",
            """
def supervise(names, start, most, within):
    return dict(zip(names, ray.get([start(name).run.remote() for name in names])))
""",
            "it should have gone on",
        ),
        (
            "watches one after the other",
            """
def supervise(names, start, most, within):
    actors = {name: start(name) for name in names}
    links = {name: actors[name].run.remote() for name in names}
    results, failures = {}, 0
    for name in names:
        while name not in results:
            try:
                results[name] = ray.get(links[name])
            except ray.exceptions.RayError:
                failures += 1
                if failures > most:
                    raise RuntimeError(name)
                actors[name] = start(name)
                links[name] = actors[name].run.remote()
    return results
""",
            "Do you watch every link?",
        ),
        (
            "starts one at a time",
            """
def supervise(names, start, most, within):
    return {name: ray.get(start(name).run.remote()) for name in names}
""",
            "Start all names",
        ),
        (
            "no limit",
            """
def supervise(names, start, most, within):
    links = {start(name).run.remote(): name for name in names}
    results = {}
    while links:
        [link], _ = ray.wait(list(links))
        name = links.pop(link)
        try:
            results[name] = ray.get(link)
        except ray.exceptions.RayError:
            links[start(name).run.remote()] = name
    return results
""",
            "went on",
        ),
        (
            "gives up one failure too early",
            """
def supervise(names, start, most, within):
    actors = {name: start(name) for name in names}
    links = {actor.run.remote(): name for name, actor in actors.items()}
    failures, results = [], {}
    while links:
        [link], _ = ray.wait(list(links))
        name = links.pop(link)
        try:
            results[name] = ray.get(link)
        except ray.exceptions.RayError:
            failures = [then for then in failures if time.monotonic() - then <= within]
            failures.append(time.monotonic())
            if len(failures) >= most:
                for actor in actors.values():
                    ray.kill(actor)
                raise RuntimeError("too many")
            actors[name] = start(name)
            links[actors[name].run.remote()] = name
    return results
""",
            "failure 2 with most = 2",
        ),
        (
            "counts each child by itself",
            """
def supervise(names, start, most, within):
    actors = {name: start(name) for name in names}
    links = {actor.run.remote(): name for name, actor in actors.items()}
    failures, results = dict.fromkeys(names, 0), {}
    while links:
        [link], _ = ray.wait(list(links))
        name = links.pop(link)
        try:
            results[name] = ray.get(link)
        except ray.exceptions.RayError:
            failures[name] += 1
            if failures[name] > most:
                raise RuntimeError(name)
            actors[name] = start(name)
            links[actors[name].run.remote()] = name
    return results
""",
            "all children together",
        ),
        (
            "forgets the period",
            """
def supervise(names, start, most, within):
    actors = {name: start(name) for name in names}
    links = {actor.run.remote(): name for name, actor in actors.items()}
    failures, results = 0, {}
    while links:
        [link], _ = ray.wait(list(links))
        name = links.pop(link)
        try:
            results[name] = ray.get(link)
        except ray.exceptions.RayError:
            failures += 1
            if failures > most:
                for actor in actors.values():
                    ray.kill(actor)
                raise RuntimeError(name)
            actors[name] = start(name)
            links[actors[name].run.remote()] = name
    return results
""",
            "longer ago than the 0.01 s allowed for",
        ),
        (
            "restarts all",
            """
def supervise(names, start, most, within):
    for _ in range(most + 1):
        actors = [start(name) for name in names]
        try:
            links = [actor.run.remote() for actor in actors]
            for _ in names:
                ray.get(ray.wait(links)[0])
            return dict(zip(names, ray.get(links)))
        except ray.exceptions.RayError:
            for actor in actors:
                ray.kill(actor)
    raise RuntimeError("too many")
""",
            "Leave the others alone",
        ),
        (
            "leaves the others running",
            """
held = []


def supervise(names, start, most, within):
    actors = {name: start(name) for name in names}
    held.append(actors)
    links = {actor.run.remote(): name for name, actor in actors.items()}
    failures, results = [], {}
    while links:
        [link], _ = ray.wait(list(links))
        name = links.pop(link)
        try:
            results[name] = ray.get(link)
        except ray.exceptions.RayError:
            now = time.monotonic()
            failures = [then for then in failures if now - then <= within] + [now]
            if len(failures) > most:
                raise RuntimeError("too many")
            actors[name] = start(name)
            links[actors[name].run.remote()] = name
    return results
""",
            "b lived on",
        ),
        (
            "returns instead of raising",
            """
def supervise(names, start, most, within):
    actors = {name: start(name) for name in names}
    links = {actor.run.remote(): name for name, actor in actors.items()}
    failures, results = [], {}
    while links:
        [link], _ = ray.wait(list(links))
        name = links.pop(link)
        try:
            results[name] = ray.get(link)
        except ray.exceptions.RayError:
            now = time.monotonic()
            failures = [then for then in failures if now - then <= within] + [now]
            if len(failures) > most:
                return results
            actors[name] = start(name)
            links[actors[name].run.remote()] = name
    return results
""",
            "it should raise a RuntimeError",
        ),
        (
            "calls the dead one again",
            """
def supervise(names, start, most, within):
    actors = {name: start(name) for name in names}
    links = {actor.run.remote(): name for name, actor in actors.items()}
    failures, results = [], {}
    while links:
        [link], _ = ray.wait(list(links))
        name = links.pop(link)
        try:
            results[name] = ray.get(link)
        except ray.exceptions.RayError:
            now = time.monotonic()
            failures = [then for then in failures if now - then <= within] + [now]
            if len(failures) > most:
                raise RuntimeError("too many")
            links[actors[name].run.remote()] = name
    return results
""",
            "it should have gone on",
        ),
        (
            "returns nothing",
            """
def supervise(names, start, most, within):
    actors = {name: start(name) for name in names}
    links = {actor.run.remote(): name for name, actor in actors.items()}
    failures = []
    while links:
        [link], _ = ray.wait(list(links))
        name = links.pop(link)
        try:
            ray.get(link)
        except ray.exceptions.RayError:
            now = time.monotonic()
            failures = [then for then in failures if now - then <= within] + [now]
            if len(failures) > most:
                for actor in actors.values():
                    ray.kill(actor)
                raise RuntimeError("too many")
            actors[name] = start(name)
            links[actors[name].run.remote()] = name
""",
            "a dict of each name",
        ),
        (
            "starts them and leaves",
            """def supervise(names, start, most, within):
    actors = {name: start(name) for name in names}
    return {name: actors[name].run.remote() and None for name in names}
""",
            "while its children were well",
        ),
        (
            "two in place of one",
            """def supervise(names, start, most, within):
    actors = {name: start(name) for name in names}
    links = {actors[name].run.remote(): name for name in names}
    spare = []
    while True:
        [ready], _ = ray.wait(list(links))
        name = links.pop(ready)
        try:
            ray.get(ready)
        except ray.exceptions.RayError:
            spare.append(start(name))
            actors[name] = start(name)
            links[actors[name].run.remote()] = name
""",
            "more than once",
        ),
        (
            "watches for ever",
            """def supervise(names, start, most, within):
    actors = {name: start(name) for name in names}
    links = {name: actors[name].run.remote() for name in names}
    failures = deque()
    while True:
        for name, link in list(links.items()):
            try:
                ray.get(link, timeout=0.05)
            except ray.exceptions.GetTimeoutError:
                continue
            except ray.exceptions.RayError:
                now = time.monotonic()
                failures.append(now)
                while failures[0] < now - within:
                    failures.popleft()
                if len(failures) > most:
                    for actor in actors.values():
                        ray.kill(actor)
                    raise RuntimeError(f"{name} failed once too often")
                actors[name] = start(name)
                links[name] = actors[name].run.remote()
""",
            "your function had not returned",
        ),
    ],
}

RIGHT = {
    "start_team": [
        (
            "a small fraction, in a loop",
            """
def start_team(worker, count):
    actors = []
    while len(actors) < count:
        actors.append(worker.options(num_cpus=0.01).remote())
    return actors
""",
        ),
        (
            "one modest class",
            """
def start_team(worker, count):
    modest = worker.options(num_cpus=0)
    return tuple(modest.remote() for _ in range(count))
""",
        ),
    ],
    "failed_names": [
        (
            "asks one at a time, without waiting",
            """
def failed_names(links):
    names = []
    for name, link in links.items():
        try:
            ray.get(link, timeout=0)
        except ray.exceptions.GetTimeoutError:
            continue
        except Exception:
            names.append(name)
    return names
""",
        ),
        (
            "takes them as they come",
            """
def failed_names(links):
    names = {link: name for name, link in links.items()}
    waiting, failed = list(names), set()
    while True:
        ready, waiting = ray.wait(waiting, timeout=0.2)
        if not ready:
            return failed
        try:
            ray.get(ready[0])
        except (ray.exceptions.RayTaskError, ray.exceptions.WorkerCrashedError):
            failed.add(names[ready[0]])
""",
        ),
    ],
    "names_to_restart": [
        (
            "a table of slices",
            """
def names_to_restart(strategy, children, name):
    at = children.index(name)
    slices = {
        "one for one": slice(at, at + 1),
        "one for all": slice(None),
        "rest for one": slice(at, None),
    }
    try:
        return children[slices[strategy]]
    except KeyError:
        raise ValueError(strategy) from None
""",
        ),
        (
            "match",
            """
def names_to_restart(strategy, children, name):
    match strategy:
        case "one for one":
            return tuple(child for child in children if child == name)
        case "one for all":
            return tuple(children)
        case "rest for one":
            return tuple(children[children.index(name) :])
        case _:
            raise ValueError(f"unknown: {strategy}")
""",
        ),
    ],
    "supervise": [
        (
            "a small class, polling with a timeout",
            """
class Team:
    def __init__(self, names, start):
        self.start_child, self.actors, self.links = start, {}, {}
        for name in names:
            self.start(name)

    def start(self, name):
        self.actors[name] = self.start_child(name)
        self.links[name] = self.actors[name].run.remote()


def supervise(names, start, most, within):
    team, times, results = Team(names, start), deque(), {}
    while len(results) < len(names):
        for name, link in list(team.links.items()):
            ready, _ = ray.wait([link], timeout=0.05)
            if not ready or name in results:
                continue
            try:
                results[name] = ray.get(link)
            except ray.exceptions.RayError:
                times.append(time.monotonic())
                while times[-1] - times[0] > within:
                    times.popleft()
                if len(times) > most:
                    for actor in team.actors.values():
                        ray.kill(actor, no_restart=True)
                    raise RuntimeError(f"{name} failed once too often")
                team.start(name)
    return results
""",
        ),
        (
            "in an actor of its own",
            """
@ray.remote(num_cpus=0)
class Keeper:
    def keep(self, names, start, most, within):
        actors = {name: start(name) for name in names}
        links = {actor.run.remote(): name for name, actor in actors.items()}
        failures, results = [], {}
        while links:
            ready, _ = ray.wait(list(links), num_returns=1)
            name = links.pop(ready[0])
            try:
                results[name] = ray.get(ready[0])
            except ray.exceptions.ActorDiedError:
                now = time.monotonic()
                failures = [then for then in failures if now - then <= within] + [now]
                if len(failures) > most:
                    return None
                actors[name] = start(name)
                links[actors[name].run.remote()] = name
        return results


def supervise(names, start, most, within):
    keeper = Keeper.remote()
    results = ray.get(keeper.keep.remote(names, start, most, within))
    ray.kill(keeper)
    if results is None:
        raise RuntimeError("gave up")
    return results
""",
        ),
    ],
}
