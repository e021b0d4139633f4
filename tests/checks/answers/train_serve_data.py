"""Answers to the exercises of lab 15."""

import textwrap

from tests.support.changed import changed

_LOOP = """\
def train_loop(config):
    context = train.get_context()
    workers, rank = context.get_world_size(), context.get_world_rank()
    net = config["model"]()
    model = prepare_model(net)
    loader = DataLoader(config["dataset"], config["batch_size"] // workers, shuffle=True)
    loader = prepare_data_loader(loader)
    optimizer = torch.optim.SGD(model.parameters(), lr=config["lr"])
    for epoch in range(config["epochs"]):
        loader.sampler.set_epoch(epoch)
        losses = []
        for rows, labels in loader:
            optimizer.zero_grad()
            loss = F.cross_entropy(model(rows), labels)
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        metrics = {"epoch": epoch, "loss": sum(losses) / len(losses)}
        with TemporaryDirectory() as folder:
            torch.save(net.state_dict(), f"{folder}/model.pt")
            checkpoint = train.Checkpoint.from_directory(folder) if rank == 0 else None
            train.report(metrics, checkpoint=checkpoint)
"""
_TAIL = _LOOP[_LOOP.index("        with TemporaryDirectory") :]
_BY_HAND = """\
def train_loop(config):
    from torch.utils.data.distributed import DistributedSampler

    context = train.get_context()
    workers, rank = context.get_world_size(), context.get_world_rank()
    model = prepare_model(config["model"]())
    sampler = DistributedSampler(config["dataset"], workers, rank, shuffle=True)
    loader = DataLoader(config["dataset"], config["batch_size"] // workers, sampler=sampler)
    optimizer = torch.optim.SGD(model.parameters(), lr=config["lr"])
    for epoch in range(config["epochs"]):
        sampler.set_epoch(epoch)
        total = 0.0
        for rows, labels in loader:
            loss = F.cross_entropy(model(rows), labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += float(loss.detach())
        metrics = {"epoch": epoch, "loss": total / len(loader)}
        if rank > 0:
            train.report(metrics)
            continue
        with TemporaryDirectory() as folder:
            torch.save(model.module.state_dict(), f"{folder}/model.pt")
            train.report(metrics, train.Checkpoint.from_directory(folder))
"""
_MOST = """\
def most_trials(cpus, trial_cpus, workers, cpus_per_worker):
    return round(100 * cpus) // round(100 * (trial_cpus + workers * cpus_per_worker))
"""
_READER = """\
@serve.deployment(max_ongoing_requests=64, ray_actor_options={"num_cpus": 0.1})
class BatchedReader:
    def __init__(self, load):
        self.read = load()

    @serve.batch(max_batch_size=32, batch_wait_timeout_s=0.05)
    async def __call__(self, images):
        return self.read(images)
"""

WRONG = {
    "train_loop": [
        (
            "no prepare_data_loader",
            changed(
                _LOOP,
                ("    loader = prepare_data_loader(loader)\n", ""),
                ("        loader.sampler.set_epoch(epoch)\n", ""),
            ),
            "each worker learned from all 64 rows",
        ),
        (
            "no prepare_model",
            changed(_LOOP, ("prepare_model(net)", "net")),
            "two different models",
        ),
        (
            "worker 0 alone reports",
            changed(
                _LOOP,
                (
                    "            train.report(metrics, checkpoint=checkpoint)",
                    "            if rank == 0:\n"
                    "                train.report(metrics, checkpoint=checkpoint)",
                ),
            ),
            "Worker 1 never called train.report",
        ),
        (
            "a batch a worker",
            changed(_LOOP, ('config["batch_size"] // workers', 'config["batch_size"]')),
            "which makes 32. Divide it",
        ),
        (
            "another batch size",
            changed(_LOOP, ('config["batch_size"] // workers', "4")),
            "took 4 rows in a step, in place of 8",
        ),
        (
            "no set_epoch",
            changed(_LOOP, ("        loader.sampler.set_epoch(epoch)\n", "")),
            "rows in the same order",
        ),
        (
            "not shuffled",
            changed(_LOOP, (", shuffle=True", "")),
            "in the order of the data set",
        ),
        (
            "saves the wrapped model",
            changed(_LOOP, ("net.state_dict()", "model.state_dict()")),
            'its names begin with "module."',
        ),
        (
            "saves the model",
            changed(_LOOP, ("net.state_dict()", "net")),
            "not the model",
        ),
        (
            "another file",
            changed(_LOOP, ("/model.pt", "/weights.pt")),
            "has no file model.pt. It holds: weights.pt",
        ),
        (
            "no checkpoint",
            changed(_LOOP, (_TAIL, "        train.report(metrics)\n")),
            "Ray Train keeps no metrics without one",
        ),
        (
            "both bring one",
            changed(_LOOP, (" if rank == 0 else None", "")),
            "Both workers bring a checkpoint",
        ),
        (
            "reports a tensor",
            changed(_LOOP, ("sum(losses) / len(losses)", "loss.detach()")),
            "You report a tensor",
        ),
        (
            "the last batch's loss",
            changed(_LOOP, ("sum(losses) / len(losses)", "losses[-1]")),
            "The mean loss of its batches",
        ),
        (
            "no loss",
            changed(_LOOP, (', "loss": sum(losses) / len(losses)', "")),
            "A report lacks loss",
        ),
        (
            "epochs from one on",
            changed(_LOOP, ('"epoch": epoch,', '"epoch": epoch + 1,')),
            "Report 0 says that it is of epoch 1",
        ),
        (
            "no report",
            changed(_LOOP, (_TAIL, "")),
            "Nothing was reported",
        ),
        (
            "one report at the end",
            changed(_LOOP, (_TAIL, textwrap.indent(textwrap.dedent(_TAIL), "    "))),
            "a worker reported 1 times",
        ),
        (
            "no step",
            changed(_LOOP, ("            optimizer.step()\n", "")),
            "Your model did not change",
        ),
        (
            "momentum",
            changed(_LOOP, ('lr=config["lr"]', 'lr=config["lr"], momentum=0.9')),
            "momentum, or a missing zero_grad",
        ),
        (
            "a rate of its own",
            changed(_LOOP, ('lr=config["lr"]', "lr=0.02")),
            "another rate",
        ),
        (
            "no zero_grad",
            changed(_LOOP, ("            optimizer.zero_grad()\n", "")),
            "a missing zero_grad",
        ),
        (
            "fails in one worker",
            changed(
                _LOOP, ("    net = config", "    if rank == 1:\n        oops()\n    net = config")
            ),
            "NameError: name 'oops' is not defined",
        ),
        (
            "saves the first weights",
            changed(
                _LOOP,
                (
                    "    model = prepare_model(net)\n",
                    "    model = prepare_model(net)\n"
                    "    first = {name: one.clone() for name, one in net.state_dict().items()}\n",
                ),
                ("net.state_dict(), f", "first, f"),
            ),
            "holds other weights",
        ),
        (
            "half of the rows",
            changed(
                _LOOP,
                (
                    "        for rows, labels in loader:\n",
                    "        for step, (rows, labels) in enumerate(loader):\n"
                    "            if step > 1:\n"
                    "                break\n",
                ),
            ),
            "learned from 32 rows, 32 of them different",
        ),
    ],
    "most_trials": [
        (
            "trials alone",
            "def most_trials(cpus, trial_cpus, workers, cpus_per_worker):\n"
            "    return int(cpus // trial_cpus)",
            "no trial ever trains",
        ),
        (
            "one group is enough",
            "def most_trials(cpus, trial_cpus, workers, cpus_per_worker):\n"
            "    return max(0, int((cpus - workers * cpus_per_worker) // trial_cpus))",
            "some trials hold CPUs and wait for their workers",
        ),
        (
            "a controller of one CPU",
            "def most_trials(cpus, trial_cpus, workers, cpus_per_worker):\n"
            "    return int(cpus // (1 + trial_cpus + workers * cpus_per_worker))",
            "with its workers a trial holds 2.00",
        ),
        (
            "floating point",
            "def most_trials(cpus, trial_cpus, workers, cpus_per_worker):\n"
            "    return int(cpus // (trial_cpus + workers * cpus_per_worker))",
            "count in hundredths",
        ),
        (
            "no whole number",
            "def most_trials(cpus, trial_cpus, workers, cpus_per_worker):\n"
            "    return cpus / (trial_cpus + workers * cpus_per_worker)",
            "It should be 0, 1, 2",
        ),
        (
            "all trials start that fit alone",
            "def most_trials(cpus, trial_cpus, workers, cpus_per_worker):\n"
            "    group = workers * cpus_per_worker\n"
            "    started = cpus // trial_cpus\n"
            "    return int(min(started, (cpus - started * trial_cpus) // group))",
            "1 fit: with its workers a trial holds 2.00",
        ),
        (
            "divides by a trial of nothing",
            "def most_trials(*machine):\n"
            "    cpus, trial, workers, each = (round(100 * amount) for amount in machine)\n"
            "    return min(cpus // trial, 100 * cpus // (100 * trial + workers * each))",
            "ZeroDivisionError",
        ),
    ],
    "batched_reader": [
        (
            "a plain class",
            changed(_READER, (_READER[: _READER.index("\n") + 1], "")),
            "Decorate the class",
        ),
        (
            "five at a time",
            changed(_READER, ("max_ongoing_requests=64, ", "")),
            "A replica accepts max_ongoing_requests at a time",
        ),
        (
            "no batches",
            changed(
                _READER,
                ("    @serve.batch(max_batch_size=32, batch_wait_timeout_s=0.05)\n", ""),
                ("(self, images)", "(self, image)"),
                ("self.read(images)", "self.read([image])[0]"),
            ),
            "read one by one",
        ),
        (
            "a whole CPU",
            changed(_READER, (', ray_actor_options={"num_cpus": 0.1}', "")),
            "reserves 1 CPUs in place of 0.1",
        ),
        (
            "no CPU",
            changed(_READER, ('"num_cpus": 0.1', '"num_cpus": 0')),
            "reserves 0 CPUs",
        ),
        (
            "expects HTTP",
            changed(
                _READER,
                ("async def __call__(self, images)", "async def several(self, images)"),
                (
                    "return self.read(images)\n",
                    "return self.read(images)\n\n"
                    "    async def __call__(self, request):\n"
                    "        return await self.several(await request.json())\n",
                ),
            ),
            "AttributeError: 'numpy.ndarray' object has no attribute 'json'",
        ),
        (
            "reads nothing",
            changed(_READER, ("return self.read(images)", "return [0] * len(images)")),
            "No image was read",
        ),
        (
            "loads for each batch",
            changed(
                _READER, ("self.read = load()", "self.load = load"), ("self.read(", "self.load()(")
            ),
            "Load it in __init__",
        ),
        (
            "batches without end",
            changed(_READER, ("max_batch_size=32", "max_batch_size=64")),
            "32 are the most",
        ),
        (
            "an array",
            changed(_READER, ("self.read(images)", "self.read(np.stack(images))")),
            "it got ndarray of shape",
        ),
        (
            "all answers to everybody",
            changed(
                _READER, ("return self.read(images)", "return [self.read(images)] * len(images)")
            ),
            "got a list in place of a digit",
        ),
        (
            "out of order",
            changed(_READER, ("return self.read(images)", "return self.read(images)[::-1]")),
            "and its image is a",
        ),
        (
            "fails to start",
            changed(_READER, ("self.read = load()", "self.read = lode()")),
            "lode",
        ),
    ],
}
RIGHT = {
    "train_loop": [
        ("another way to write it", _LOOP),
        ("a sampler of its own", _BY_HAND),
    ],
    "most_trials": [
        ("in hundredths, together", _MOST),
        (
            "by decimals",
            "def most_trials(*machine):\n"
            "    from decimal import Decimal\n"
            "    cpus, trial, workers, each = (Decimal(str(amount)) for amount in machine)\n"
            "    return cpus // (trial + workers * each)",
        ),
        (
            "by fractions",
            "def most_trials(cpus, trial_cpus, workers, cpus_per_worker):\n"
            "    from fractions import Fraction\n"
            "    def exact(x):\n"
            "        return Fraction(str(x))\n"
            "    return int(exact(cpus) / (exact(trial_cpus) + workers * exact(cpus_per_worker)))",
        ),
    ],
    "batched_reader": [
        ("a longer wait", _READER),
        ("two replicas", changed(_READER, ("(max_ongoing", "(num_replicas=2, max_ongoing"))),
        (
            "a method of its own",
            changed(
                _READER,
                ("async def __call__(self, images)", "async def several(self, images)"),
                (
                    "return self.read(images)\n",
                    "return self.read(images)\n\n"
                    "    async def __call__(self, image):\n"
                    "        return await self.several(image)\n",
                ),
            ),
        ),
    ],
}
