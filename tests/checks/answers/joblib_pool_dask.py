"""Answers to the exercises of lab 16."""

from tests.support.changed import changed

_JOBLIB = """\
def on_all_cpus(function, items):
    with parallel_config(backend="ray", n_jobs=-1):
        return Parallel()(delayed(function)(item) for item in items)
"""
_TASKS = """\
def no_waiting_behind(function, items):
    task = ray.remote(function)
    return ray.get([task.remote(item) for item in items])
"""
_JOB = """\
def submit_and_wait(client, entrypoint):
    job = client.submit_job(entrypoint=entrypoint)
    while not (status := client.get_job_status(job)).is_terminal():
        time.sleep(0.05)
    if status != JobStatus.SUCCEEDED:
        raise RuntimeError(client.get_job_info(job).message)
    return client.get_job_logs(job)
"""

WRONG = {
    "on_all_cpus": [
        (
            "leaves n_jobs at 1",
            changed(_JOBLIB, (", n_jobs=-1", "")),
            "leaves n_jobs at 1",
        ),
        (
            "loky",
            changed(_JOBLIB, ('backend="ray", n_jobs', "n_jobs")),
            "processes that are not Ray's",
        ),
        (
            "one worker",
            "def on_all_cpus(function, items):\n"
            "    with Pool(1) as pool:\n"
            "        return pool.map(function, items)",
            "1 of Ray's workers did everything",
        ),
        (
            "as they come",
            "def on_all_cpus(function, items):\n"
            "    with Pool() as pool:\n"
            "        return list(pool.imap_unordered(function, items[::-1], chunksize=1))",
            "in their order",
        ),
        (
            "a generator",
            "def on_all_cpus(function, items):\n"
            '    with parallel_config(backend="ray", n_jobs=-1):\n'
            "        found = Parallel()(delayed(function)(item) for item in items)\n"
            "    return (one for one in found)",
            "generator",
        ),
        (
            "the items and not the results",
            "def on_all_cpus(function, items):\n"
            '    with parallel_config(backend="ray", n_jobs=-1):\n'
            "        Parallel()(delayed(function)(item) for item in items)\n"
            "    return items",
            "results",
        ),
    ],
    "no_waiting_behind": [
        (
            "Ray's Pool",
            "def no_waiting_behind(function, items):\n"
            "    with Pool() as pool:\n"
            "        return pool.map(function, items)",
            "began only after it",
        ),
        (
            "one by one",
            "def no_waiting_behind(function, items):\n"
            "    return [function(item) for item in items]",
            "One process did everything",
        ),
        (
            "in the order of their ends",
            "def no_waiting_behind(function, items):\n"
            "    task = ray.remote(function)\n"
            "    left, results = [task.remote(item) for item in items], []\n"
            "    while left:\n"
            "        [done], left = ray.wait(left)\n"
            "        results.append(ray.get(done))\n"
            "    return results",
            "not in the order of the items",
        ),
        (
            "imap",
            "def no_waiting_behind(function, items):\n"
            "    with Pool() as pool:\n"
            "        return list(pool.imap(function, items, chunksize=1))",
            "began only after it",
        ),
        (
            "a pool of actors, in order",
            "def no_waiting_behind(function, items):\n"
            "    @ray.remote(num_cpus=1)\n"
            "    class Worker:\n"
            "        def work(self, item):\n"
            "            return function(item)\n"
            '    count = int(ray.cluster_resources()["CPU"])\n'
            "    pool = ray.util.ActorPool([Worker.remote() for _ in range(count)])\n"
            "    return list(pool.map(lambda one, item: one.work.remote(item), items))",
            "began only after it",
        ),
        (
            "loky",
            "def no_waiting_behind(function, items):\n"
            "    return Parallel(n_jobs=2)(delayed(function)(item) for item in items)",
            "outside Ray",
        ),
        (
            "refs",
            changed(_TASKS, ("ray.get(", "list(")),
            "You returned refs",
        ),
        (
            "without the slow one",
            changed(_TASKS, ("for item in items", "for item in items[1:]")),
            "a result for each",
        ),
    ],
    "submit_and_wait": [
        (
            "does not wait",
            "def submit_and_wait(client, entrypoint):\n"
            "    job = client.submit_job(entrypoint=entrypoint)\n"
            "    return client.get_job_logs(job)",
            "You did not wait",
        ),
        (
            "returns also where it failed",
            changed(
                _JOB,
                ("    if status != JobStatus.SUCCEEDED:\n", ""),
                ("        raise RuntimeError(client.get_job_info(job).message)\n", ""),
            ),
            "as if all were well",
        ),
        (
            "waits for success",
            changed(
                _JOB,
                (
                    "while not (status := client.get_job_status(job)).is_terminal():",
                    "while (status := client.get_job_status(job)) != JobStatus.SUCCEEDED:",
                ),
            ),
            "will never be SUCCEEDED",
        ),
        (
            "an error without a reason",
            changed(_JOB, ("client.get_job_info(job).message", '"failed"')),
            "Say why the job ended",
        ),
        (
            "returns the job",
            changed(_JOB, ("return client.get_job_logs(job)", "return job")),
            "and you return 'raysubmit_16'",
        ),
        (
            "submits again when it failed",
            changed(
                _JOB,
                (
                    "        raise RuntimeError",
                    "        client.submit_job(entrypoint=entrypoint)\n        raise RuntimeError",
                ),
            ),
            "You submitted 2 jobs",
        ),
        (
            "raises always",
            changed(_JOB, ("    if status != JobStatus.SUCCEEDED:\n    ", "")),
            "The job succeeded, and you raised",
        ),
        (
            "asks for another job",
            changed(_JOB, ("client.get_job_status(job)", "client.get_job_status(entrypoint)")),
            "Job python score.py does not exist",
        ),
        (
            "an old name",
            changed(_JOB, ("client.get_job_logs", "client.logs")),
            "AttributeError",
        ),
    ],
}
RIGHT = {
    "on_all_cpus": [
        (
            "the old way",
            "def on_all_cpus(function, items):\n"
            "    from joblib import parallel_backend\n"
            '    with parallel_backend("ray"):\n'
            "        return Parallel()(delayed(function)(item) for item in items)",
        ),
        (
            "in Parallel",
            "def on_all_cpus(function, items):\n"
            "    register_ray()\n"
            '    return Parallel(n_jobs=-1, backend="ray")(delayed(function)(i) for i in items)',
        ),
    ],
    "no_waiting_behind": [
        ("another way to write it", _TASKS),
        (
            "a pool of actors, sorted afterwards",
            "def no_waiting_behind(function, items):\n"
            "    @ray.remote(num_cpus=1)\n"
            "    class Worker:\n"
            "        def work(self, place, item):\n"
            "            return place, function(item)\n"
            '    count = int(ray.cluster_resources()["CPU"])\n'
            "    pool = ray.util.ActorPool([Worker.remote() for _ in range(count)])\n"
            "    jobs = enumerate(items)\n"
            "    done = pool.map_unordered(lambda one, job: one.work.remote(*job), jobs)\n"
            "    return [result for _, result in sorted(done, key=lambda pair: pair[0])]",
        ),
    ],
    "submit_and_wait": [
        ("asks more often", _JOB),
        (
            "asks rarely, under a name of its own",
            changed(
                _JOB, ("(0.05)", "(30)"), ("=entrypoint)", '=entrypoint, submission_id="mine")')
            ),
        ),
        (
            "by the job's info",
            "def submit_and_wait(client, entrypoint):\n"
            "    job = client.submit_job(entrypoint=entrypoint)\n"
            "    while True:\n"
            "        info = client.get_job_info(job)\n"
            '        if info.status in ("FAILED", "STOPPED"):\n'
            '            raise ValueError(f"{job} ended: {info.message}")\n'
            '        if info.status == "SUCCEEDED":\n'
            "            return client.get_job_logs(job)\n"
            "        time.sleep(0.1)",
        ),
    ],
}
