"""Answers to the exercises of lab 05."""

WRONG = {
    "convert_in_pieces": [
        (
            "a task a station",
            """
def convert_in_pieces(convert, stations, most):
    return ray.get([convert.remote(station) for station in stations])
""",
            "A task got 13 readings, and most was 4",
        ),
        (
            "a task a reading",
            """
def convert_in_pieces(convert, stations, most):
    refs = [[convert.remote(one[i : i + 1]) for i in range(len(one))] for one in stations]
    return [np.concatenate([np.empty(0), *ray.get(pieces)]) for pieces in refs]
""",
            "You submitted 30 tasks; with most = 4, 9 are enough",
        ),
        (
            "waits for each station",
            """
def convert_in_pieces(convert, stations, most):
    results = []
    for station in stations:
        refs = [convert.remote(station[i : i + most]) for i in range(0, len(station), most)]
        results.append(np.concatenate([np.empty(0), *ray.get(refs)]))
    return results
""",
            "You waited for one station before you submitted the next",
        ),
        (
            "waits for each piece",
            """
def convert_in_pieces(convert, stations, most):
    return [
        np.concatenate(
            [np.empty(0)]
            + [ray.get(convert.remote(one[i : i + most])) for i in range(0, len(one), most)]
        )
        for one in stations
    ]
""",
            "Your tasks ran one after another",
        ),
        (
            "leaves the rest out",
            """
def convert_in_pieces(convert, stations, most):
    refs = [
        [convert.remote(one[i * most : (i + 1) * most]) for i in range(len(one) // most)]
        for one in stations
    ]
    return [np.concatenate([np.empty(0), *ray.get(pieces)]) for pieces in refs]
""",
            "Does the last piece count",
        ),
        (
            "does not join",
            """
def convert_in_pieces(convert, stations, most):
    refs = [
        [convert.remote(one[i : i + most]) for i in range(0, len(one), most)] for one in stations
    ]
    return [ray.get(pieces) for pieces in refs]
""",
            "Join the pieces of a station",
        ),
        (
            "a flat list of pieces",
            """
def convert_in_pieces(convert, stations, most):
    refs = [convert.remote(one[i : i + most]) for one in stations for i in range(0, len(one), most)]
    return ray.get(refs)
""",
            "There were 5 stations; you returned 9 arrays",
        ),
        (
            "returns refs",
            """
def convert_in_pieces(convert, stations, most):
    return [
        [convert.remote(one[i : i + most]) for i in range(0, len(one), most)] for one in stations
    ]
""",
            "The list holds lists of refs",
        ),
        (
            "no empty station",
            """
def convert_in_pieces(convert, stations, most):
    refs = [
        [convert.remote(one[i : i + most]) for i in range(0, len(one), most)] for one in stations
    ]
    return [np.concatenate(ray.get(pieces)) for pieces in refs]
""",
            "need at least one array to concatenate",
        ),
        (
            "as many pieces as most says",
            """
def convert_in_pieces(convert, stations, most):
    refs = [[convert.remote(piece) for piece in np.array_split(one, most)] for one in stations]
    return [np.concatenate(ray.get(pieces)) for pieces in refs]
""",
            "You submitted 16 tasks",
        ),
        (
            "pieces in the order of finishing",
            """
def convert_in_pieces(convert, stations, most):
    refs = [
        [convert.remote(one[i : i + most]) for i in range(0, len(one), most)] for one in stations
    ]
    results = []
    for pending in refs:
        pieces = [np.empty(0)]
        while pending:
            [done], pending = ray.wait(pending)
            pieces.append(ray.get(done))
        results.append(np.concatenate(pieces))
    return results
""",
            "came together in another order",
        ),
        (
            "takes neighbours together",
            """
def convert_in_pieces(convert, stations, most):
    flat = np.concatenate(stations)[::-1]
    whole = np.concatenate(
        ray.get([convert.remote(flat[i : i + most]) for i in range(0, len(flat), most)])
    )
    return np.split(whole, np.cumsum([len(one) for one in stations])[:-1])
""",
            "came together in another order",
        ),
        (
            "converts by itself",
            """def convert_in_pieces(convert, stations, most):
    return [2.0 * station for station in stations]
""",
            "convert was not called by any task",
        ),
    ],
    "print_as_ready": [
        (
            "waits in the loop",
            """
def print_as_ready(step, readings, print_line):
    lines = []
    for celsius in readings:
        lines.append(ray.get(step.remote(celsius)))
        print_line(lines[-1])
    return lines
""",
            "Your tasks ran one after another",
        ),
        (
            "prints in the order of readings",
            """
def print_as_ready(step, readings, print_line):
    refs = [step.remote(celsius) for celsius in readings]
    lines = []
    for ref in refs:
        lines.append(ray.get(ref))
        print_line(lines[-1])
    return lines
""",
            "'station 1' was printed",
        ),
        (
            "prints at the end",
            """
def print_as_ready(step, readings, print_line):
    lines = ray.get([step.remote(celsius) for celsius in readings])
    for line in lines:
        print_line(line)
    return lines
""",
            "ray.wait tells which is",
        ),
        (
            "prints in the order of finishing, at the end",
            """
def print_as_ready(step, readings, print_line):
    refs = pending = [step.remote(celsius) for celsius in readings]
    done = []
    while pending:
        [ready], pending = ray.wait(pending)
        done.append(ready)
    for ref in done:
        print_line(ray.get(ref))
    return ray.get(refs)
""",
            "Print each line when it is there",
        ),
        (
            "waits for all but one",
            """
def print_as_ready(step, readings, print_line):
    refs = [step.remote(celsius) for celsius in readings]
    for line in ray.get(refs[1:] + refs[:1]):
        print_line(line)
    return ray.get(refs)
""",
            "Print each line when it is there",
        ),
        (
            "a window of two",
            """
def print_as_ready(step, readings, print_line):
    refs, pending, left = [], [], list(readings)
    while pending or left:
        while left and len(pending) < 2:
            pending.append(step.remote(left.pop(0)))
            refs.append(pending[-1])
        [ready], pending = ray.wait(pending)
        print_line(ray.get(ready))
    return ray.get(refs)
""",
            "not all had been submitted",
        ),
        (
            "prints lists",
            """
def print_as_ready(step, readings, print_line):
    refs = pending = [step.remote(celsius) for celsius in readings]
    while pending:
        ready, pending = ray.wait(pending)
        print_line(ray.get(ready))
    return ray.get(refs)
""",
            "print_line was given a list",
        ),
        (
            "in the order of finishing",
            """
def print_as_ready(step, readings, print_line):
    pending, lines = [step.remote(celsius) for celsius in readings], []
    while pending:
        [ready], pending = ray.wait(pending)
        lines.append(ray.get(ready))
        print_line(lines[-1])
    return lines
""",
            "is in the order in which the tasks ended",
        ),
        (
            "prints none",
            """
def print_as_ready(step, readings, print_line):
    return ray.get([step.remote(celsius) for celsius in readings])
""",
            "Nothing was printed",
        ),
        (
            "prints refs",
            """
def print_as_ready(step, readings, print_line):
    refs = pending = [step.remote(celsius) for celsius in readings]
    while pending:
        [ready], pending = ray.wait(pending)
        print_line(ready)
    return ray.get(refs)
""",
            "print_line was given ObjectRef, not a line",
        ),
        (
            "leaves out the last",
            """
def print_as_ready(step, readings, print_line):
    refs = pending = [step.remote(celsius) for celsius in readings]
    while len(pending) > 1:
        [ready], pending = ray.wait(pending)
        print_line(ray.get(ready))
    return ray.get(refs)
""",
            "was never printed",
        ),
        (
            "prints twice",
            """
def print_as_ready(step, readings, print_line):
    refs = pending = [step.remote(celsius) for celsius in readings]
    while pending:
        [ready], pending = ray.wait(pending)
        print_line(ray.get(ready))
    print_line(ray.get(refs[-1]))
    return ray.get(refs)
""",
            "was printed more than once",
        ),
        (
            "returns refs",
            """
def print_as_ready(step, readings, print_line):
    refs = pending = [step.remote(celsius) for celsius in readings]
    while pending:
        [ready], pending = ray.wait(pending)
        print_line(ray.get(ready))
    return refs
""",
            "You returned refs",
        ),
        (
            "returns nothing",
            """
def print_as_ready(step, readings, print_line):
    pending = [step.remote(celsius) for celsius in readings]
    while pending:
        [ready], pending = ray.wait(pending)
        print_line(ray.get(ready))
""",
            "returned None",
        ),
        (
            "runs them again for the list",
            """
def print_as_ready(step, readings, print_line):
    pending = [step.remote(celsius) for celsius in readings]
    while pending:
        [ready], pending = ray.wait(pending)
        print_line(ray.get(ready))
    return ray.get([step.remote(celsius) for celsius in readings])
""",
            "5 stations, and 10 tasks",
        ),
        (
            "makes up the lines",
            """def print_as_ready(step, readings, print_line):
    lines = [f"station {number}" for number in range(len(readings))]
    for line in lines:
        print_line(line)
    return lines
""",
            "step was not called by any task",
        ),
        (
            "returns where they stand",
            """def print_as_ready(step, readings, print_line):
    refs = [step.remote(celsius) for celsius in readings]
    pending = refs
    while pending:
        [ready], pending = ray.wait(pending)
        print_line(ray.get(ready))
    return list(range(len(refs)))
""",
            "it should be the lines in order",
        ),
    ],
    "first_rows": [
        (
            "slices",
            """
def first_rows(draw, readings):
    return [ray.get(draw.remote(one))[:3] for one in readings]
""",
            "4 of 4 maps are still in the store (pinned in memory). An array that looks into a map",
        ),
        (
            "asarray",
            """
def first_rows(draw, readings):
    return [np.asarray(ray.get(draw.remote(one))[:3]) for one in readings]
""",
            "keep copies of rows",
        ),
        (
            "keeps the refs",
            """
kept = []


def first_rows(draw, readings):
    kept.extend(draw.remote(one) for one in readings)
    return [ray.get(ref)[:3].copy() for ref in kept]
""",
            "Something still holds their refs",
        ),
        (
            "copies the whole map",
            """
def first_rows(draw, readings):
    return [ray.get(draw.remote(one)).copy()[:3] for one in readings]
""",
            "a copy of the whole map in your own process, 4 MB each",
        ),
        (
            "whole maps",
            """
def first_rows(draw, readings):
    return ray.get([draw.remote(one) for one in readings])
""",
            "has the shape (1000, 500)",
        ),
        (
            "one row",
            """
def first_rows(draw, readings):
    return [ray.get(draw.remote(one))[0].copy() for one in readings]
""",
            "three rows of a map",
        ),
        (
            "draws twice",
            """
def first_rows(draw, readings):
    ray.get([draw.remote(one) for one in readings])
    return [ray.get(draw.remote(one))[:3].copy() for one in readings]
""",
            "draw ran 8 times",
        ),
        (
            "returns refs",
            """
def first_rows(draw, readings):
    return [draw.remote(one) for one in readings]
""",
            "You returned refs",
        ),
        (
            "backwards",
            """
def first_rows(draw, readings):
    return [ray.get(draw.remote(one))[:3].copy() for one in reversed(readings)]
""",
            "in the order of readings",
        ),
        (
            "joins the rows of all",
            """def first_rows(draw, readings):
    refs = [draw.remote(element) for element in readings]
    return np.concatenate([ray.get(ref)[:3] for ref in refs])
""",
            "you returned 12 arrays",
        ),
    ],
    "count_per_station": [
        (
            "a call a day",
            """
def count_per_station(count, readings, hot_readings):
    @ray.remote
    def count_station(station, celsius):
        number = count(celsius)
        for part in (number // 2, number - number // 2):
            ray.get(hot_readings.add.remote(station, part))

    ray.get([count_station.remote(number, one) for number, one in enumerate(readings)])
""",
            "The actor was called 10 times for 5 stations",
        ),
        (
            "counts every day",
            """
def count_per_station(count, readings, hot_readings):
    @ray.remote
    def count_station(station, celsius):
        number = sum(count(day) for day in np.array_split(celsius, 2))
        ray.get(hot_readings.add.remote(station, number))

    ray.get([count_station.remote(number, one) for number, one in enumerate(readings)])
""",
            "5 stations were counted in 10 calls of count",
        ),
        (
            "does not wait for the actor",
            """
def count_per_station(count, readings, hot_readings):
    @ray.remote
    def count_station(celsius):
        return count(celsius)

    counts = ray.get([count_station.remote(one) for one in readings])
    for station, number in enumerate(counts):
        hot_readings.add.remote(station, number)
""",
            "the actor had not counted everything",
        ),
        (
            "waits for no task",
            """
def count_per_station(count, readings, hot_readings):
    @ray.remote
    def count_station(station, celsius):
        ray.get(hot_readings.add.remote(station, count(celsius)))

    return [count_station.remote(number, one) for number, one in enumerate(readings)]
""",
            "When your function returned, not every station had been counted",
        ),
        (
            "tasks do not wait for the actor",
            """
def count_per_station(count, readings, hot_readings):
    @ray.remote
    def count_station(station, celsius):
        hot_readings.add.remote(station, count(celsius))

    ray.get([count_station.remote(number, one) for number, one in enumerate(readings)])
""",
            "the actor had not counted everything",
        ),
        (
            "waits in the loop",
            """
def count_per_station(count, readings, hot_readings):
    @ray.remote
    def count_station(station, celsius):
        ray.get(hot_readings.add.remote(station, count(celsius)))

    for station, celsius in enumerate(readings):
        ray.get(count_station.remote(station, celsius))
""",
            "one after another",
        ),
        (
            "counts by itself",
            """
def count_per_station(count, readings, hot_readings):
    ray.get([hot_readings.add.remote(number, count(one)) for number, one in enumerate(readings)])
""",
            "in the process that called count_per_station",
        ),
        (
            "from one",
            """
def count_per_station(count, readings, hot_readings):
    @ray.remote
    def count_station(station, celsius):
        ray.get(hot_readings.add.remote(station, count(celsius)))

    ray.get([count_station.remote(number, one) for number, one in enumerate(readings, start=1)])
""",
            "counted from 0",
        ),
        (
            "one sum for all",
            """
def count_per_station(count, readings, hot_readings):
    @ray.remote
    def count_station(celsius):
        return count(celsius)

    counts = ray.get([count_station.remote(one) for one in readings])
    ray.get(hot_readings.add.remote(0, sum(counts)))
""",
            "The actor was called 1 times for 5 stations",
        ),
        (
            "does not count",
            """
def count_per_station(count, readings, hot_readings):
    ray.get([hot_readings.add.remote(number, len(one)) for number, one in enumerate(readings)])
""",
            "count was never called",
        ),
    ],
}

RIGHT = {
    "convert_in_pieces": [
        (
            "pieces of nearly the same size",
            """
def convert_in_pieces(convert, stations, most):
    refs = [
        [convert.remote(piece) for piece in np.array_split(one, max(1, -(-len(one) // most)))]
        for one in stations
    ]
    return [np.concatenate(ray.get(pieces)) for pieces in refs]
""",
        ),
        (
            "all in one list",
            """
def convert_in_pieces(convert, stations, most):
    places = [(n, i) for n, one in enumerate(stations) for i in range(0, len(one), most)]
    pieces = ray.get([convert.remote(stations[n][i : i + most]) for n, i in places])
    results = [np.empty_like(one) for one in stations]
    for (n, i), piece in zip(places, pieces, strict=True):
        results[n][i : i + most] = piece
    return results
""",
        ),
    ],
    "print_as_ready": [
        (
            "a dict of places",
            """
def print_as_ready(step, readings, print_line):
    place = {step.remote(celsius): number for number, celsius in enumerate(readings)}
    lines, pending = [None] * len(place), list(place)
    while pending:
        ready, pending = ray.wait(pending, num_returns=1)
        for ref in ready:
            lines[place[ref]] = ray.get(ref)
            print_line(lines[place[ref]])
    return lines
""",
        ),
        (
            "as futures",
            """
def print_as_ready(step, readings, print_line):
    from concurrent.futures import as_completed

    futures = [step.remote(celsius).future() for celsius in readings]
    for future in as_completed(futures):
        print_line(future.result())
    return [future.result() for future in futures]
""",
        ),
    ],
    "first_rows": [
        (
            "a task that returns the rows",
            """
def first_rows(draw, readings):
    @ray.remote
    def first_rows(celsius_map):
        return celsius_map[:3]

    return ray.get([first_rows.remote(draw.remote(one)) for one in readings])
""",
        ),
        (
            "a new array of the rows",
            """
def first_rows(draw, readings):
    return [np.array(ray.get(draw.remote(one))[:3]) for one in readings]
""",
        ),
    ],
    "count_per_station": [
        (
            "counts come back, then the calls",
            """
def count_per_station(count, readings, hot_readings):
    refs = [ray.remote(count).remote(one) for one in readings]
    counts = ray.get(refs)
    ray.get([hot_readings.add.remote(station, number) for station, number in enumerate(counts)])
""",
        ),
        (
            "refs as arguments of the call",
            """
def count_per_station(count, readings, hot_readings):
    @ray.remote
    def count_station(celsius):
        return count(celsius)

    refs = [count_station.remote(one) for one in readings]
    ray.get([hot_readings.add.remote(station, ref) for station, ref in enumerate(refs)])
""",
        ),
    ],
}
