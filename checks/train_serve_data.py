"""Checks of lab 15."""

import logging
import multiprocessing
import os
import pickle
import sys
import time
import uuid
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_EXCEPTION, ProcessPoolExecutor, wait
from typing import Any, NamedTuple

import numpy as np
import ray
import torch
import torch.nn.functional as F
from ray import cloudpickle, serve, train
from ray.train.torch import TorchTrainer

from checks.engine import CannotJudge, NotYet, exercise, run, run_without_ray, show
from checks.trials import Reported, reports
from helpers import local, plots

# --- train_loop ---

WORKERS, ROWS, BATCH, EPOCHS = 2, 64, 16, 2
FEATURES, CLASSES = 5, 3  # the first of them is the row's number, by which it is known again
CONFIG = {"batch_size": BATCH, "epochs": EPOCHS, "lr": 0.1}


@exercise
def train_loop(answer) -> str:
    """`train_loop(config)`: what each of two workers of a TorchTrainer runs."""
    port = local.free_port(0)
    workers = run_without_ray(_two_workers, cloudpickle.dumps(answer), port, limit=20.0)
    if not any(one.reports for one in workers):
        raise NotYet("Nothing was reported. Call train.report after each epoch.")
    counts = [len(one.reports) for one in workers]
    if min(counts) == 0:
        raise NotYet(
            f"Worker {counts.index(0)} never called train.report. Every worker has to call it: "
            "there each waits for the others, and your run would never end."
        )
    for count in counts:
        if count != EPOCHS:
            raise NotYet(f'With config["epochs"] = {EPOCHS} a worker reported {count} times.')
    for epoch in range(EPOCHS):
        seen = [one.reports[epoch].seen for one in workers]
        _shared_rows(seen)
        _same_weights(seen)
        for worker in workers:
            _metrics(epoch, worker.reports[epoch])
    _plain_sgd(workers)
    for rank, worker in enumerate(workers):
        _new_order(worker)
        _checkpoints(rank, worker)
    batches = ROWS // BATCH
    return (
        f"{EPOCHS} epochs of {batches} batches: of each batch every worker took "
        f"{BATCH // WORKERS} rows, and both models stayed the same."
    )


class Moment(NamedTuple):
    """What a worker did since its last report, and where it is."""

    rows: list[int]  # the numbers of the rows that it learned from
    sizes: list[int]  # of the batches
    losses: list[float]  # of the batches
    weights: np.ndarray | None  # of the model that it trains
    saved: dict | None  # the checkpoint's model.pt
    unreadable: str  # why that cannot be read, or nothing


class Worker(NamedTuple):
    """What one worker did."""

    reports: list[Reported]  # each with its Moment
    first: np.ndarray | None  # the model's weights before it learned


def _shared_rows(seen: list[Moment]) -> None:
    """Raise NotYet unless the workers shared the rows and the batches of an epoch."""
    if any(sorted(one.rows) == list(range(ROWS)) for one in seen):
        raise NotYet(
            f"In an epoch each worker learned from all {ROWS} rows, so two workers do the work "
            "twice. prepare_data_loader gives each its part."
        )
    both = sorted(row for one in seen for row in one.rows)
    if both != list(range(ROWS)):
        raise NotYet(
            f"In an epoch the workers learned from {len(both)} rows, {len(set(both))} of them "
            f"different. The data set has {ROWS}, and an epoch takes each once."
        )
    largest = max(size for one in seen for size in one.sizes)
    if largest == BATCH:
        raise NotYet(
            f'config["batch_size"] is {BATCH}, and each worker took {BATCH} rows a step, which '
            f"makes {WORKERS * BATCH}. Divide it by the number of workers."
        )
    if largest != BATCH // WORKERS:
        raise NotYet(f"A worker took {largest} rows in a step, in place of {BATCH // WORKERS}.")


def _same_weights(seen: list[Moment]) -> None:
    """Raise NotYet unless the workers have the same model."""
    if not np.allclose(*(one.weights for one in seen), atol=1e-6):
        raise NotYet(
            "After an epoch the two workers have two different models. prepare_model has them "
            "average their gradients."
        )


def _plain_sgd(workers: list[Worker]) -> None:
    """Raise NotYet unless the weights are those that plain SGD comes to on the same batches."""
    first, after = workers[0].first, workers[0].reports[0].seen
    if np.allclose(first, after.weights):
        raise NotYet("Your model did not change: it has its first weights still.")
    batches = zip(
        *(np.split(np.array(one.reports[0].seen.rows), len(after.sizes)) for one in workers),
        strict=True,
    )
    model = torch.nn.Linear(FEATURES - 1, CLASSES)
    torch.nn.utils.vector_to_parameters(torch.from_numpy(first), model.parameters())
    optimizer = torch.optim.SGD(model.parameters(), lr=CONFIG["lr"])
    for batch in batches:
        rows = np.concatenate(batch)
        optimizer.zero_grad()
        F.cross_entropy(model(_features()[rows, 1:]), _labels()[rows]).backward()
        optimizer.step()
    if not np.allclose(_flat(model.parameters()), after.weights, atol=1e-4):
        raise NotYet(
            'Plain SGD with config["lr"] would have come to other weights on the same batches. Is '
            "it another optimizer, another rate, momentum, or a missing zero_grad?"
        )


def _metrics(epoch: int, one: Reported) -> None:
    """Raise NotYet unless this is a report of the epoch and of its loss."""
    for name in ("epoch", "loss"):
        if name not in one.metrics:
            raise NotYet(f"A report lacks {name}.")
    if any(isinstance(value, torch.Tensor) for value in one.metrics.values()):
        raise NotYet("You report a tensor. Ray Train refuses it; item() makes a number of it.")
    if one.metrics["epoch"] != epoch:
        raise NotYet(f"Report {epoch} says that it is of epoch {one.metrics['epoch']}.")
    if not np.isclose(one.metrics["loss"], np.mean(one.seen.losses), rtol=1e-3):
        raise NotYet(
            f"A worker reported the loss {one.metrics['loss']:.3g}. The mean loss of its batches "
            f"in that epoch is {np.mean(one.seen.losses):.3g}."
        )


def _new_order(worker: Worker) -> None:
    """Raise NotYet unless each epoch has another order of the rows."""
    first, second, *_ = (one.seen.rows for one in worker.reports)
    if first == sorted(first):
        raise NotYet("The rows come in the order of the data set. Shuffle them.")
    if first == second:
        raise NotYet(
            "Every epoch has the rows in the same order. At the start of an epoch call "
            "loader.sampler.set_epoch(epoch)."
        )


def _checkpoints(rank: int, worker: Worker) -> None:
    """Raise NotYet unless worker 0, and no other, brought each epoch's model."""
    for one in worker.reports:
        saved, weights = one.seen.saved, one.seen.weights
        if one.seen.unreadable:
            raise NotYet(one.seen.unreadable)
        if rank > 0:
            if saved is not None:
                raise NotYet(
                    "Both workers bring a checkpoint. Let worker 0 bring it, and it alone."
                )
            continue
        if saved is None:
            raise NotYet(
                "A report of worker 0 has no checkpoint. Ray Train keeps no metrics without one."
            )
        if any(name.startswith("module.") for name in saved):
            raise NotYet(
                'You saved the wrapped model: its names begin with "module.", and '
                'config["model"]() cannot load them. Save the model inside.'
            )
        if not np.allclose(_flat(saved.values()), weights, atol=1e-6):
            raise NotYet("A checkpoint holds other weights than the model has after its epoch.")


def _two_workers(answer: bytes, port: int) -> list[Worker]:
    """Run the loop in two processes as torchrun starts them, in Ray Train's local mode."""
    from checks import train_serve_data as here  # by name: a pool sends functions by name

    copies = multiprocessing.get_context("fork")
    pool = ProcessPoolExecutor(WORKERS, mp_context=copies)
    workers = [pool.submit(here._worker, answer, rank, port) for rank in range(WORKERS)]
    done, _ = wait(workers, return_when=FIRST_EXCEPTION)
    for worker in done:  # one that raised, before the other, which may wait for it for ever
        worker.result()
    return [worker.result() for worker in workers]


def _worker(answer: bytes, rank: int, port: int) -> Worker:
    os.environ |= {
        "RANK": str(rank),
        "LOCAL_RANK": str(rank),
        "WORLD_SIZE": str(WORKERS),
        "LOCAL_WORLD_SIZE": str(WORKERS),
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
        "GLOO_SOCKET_IFNAME": "lo0" if sys.platform == "darwin" else "lo",
    }
    logging.getLogger("ray.train").setLevel(logging.ERROR)  # it says that this is local mode
    torch.set_num_threads(1)
    torch.manual_seed(rank)
    made: list[Watched] = []

    def model():
        made.append(Watched())
        return made[-1]

    def trained() -> Watched:
        return max(made, key=lambda one: one.steps)

    def look(folder: str | None) -> Moment:
        if not made:
            return Moment([], [], [], None, None, "")
        return trained().moment(*_saved(folder))

    config = CONFIG | {"model": model, "dataset": _dataset()}
    looper = TorchTrainer(
        lambda: cloudpickle.loads(answer)(config),
        scaling_config=train.ScalingConfig(num_workers=0),
    )
    heard = reports(train, looper.fit, look)
    return Worker(heard, trained().first if made else None)


def _dataset() -> torch.utils.data.Dataset:
    rows = _features()
    rows[:, 0] = torch.arange(ROWS)
    return torch.utils.data.TensorDataset(rows, _labels())


def _features() -> torch.Tensor:
    return torch.randn(ROWS, FEATURES, generator=torch.Generator().manual_seed(15))


def _labels() -> torch.Tensor:
    return _features()[:, 1:4].argmax(1)


def _saved(folder: str | None) -> tuple[dict | None, str]:
    """What a checkpoint's model.pt holds, and why it cannot be read."""
    if folder is None:
        return None, ""
    file = os.path.join(folder, "model.pt")
    if not os.path.exists(file):
        found = ", ".join(os.listdir(folder))
        return None, f"A checkpoint has no file model.pt. It holds: {found}."
    try:
        return torch.load(file, weights_only=True), ""
    except pickle.UnpicklingError:
        return None, "model.pt should hold the model's state_dict(), not the model."


def _flat(tensors) -> np.ndarray:
    return torch.cat([one.detach().flatten() for one in tensors]).numpy()  # a copy


class Watched(torch.nn.Module):
    """A model that notes which rows it learns from."""

    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Linear(FEATURES - 1, CLASSES)
        self.first, self.steps = _flat(self.parameters()), 0
        self._rows, self._sizes, self._losses = [], [], []

    def forward(self, rows):
        out = self.layer(rows[:, 1:])
        if torch.is_grad_enabled():
            numbers = rows[:, 0].long()
            self.steps += 1
            self._rows += numbers.tolist()
            self._sizes.append(len(rows))
            self._losses.append(F.cross_entropy(out.detach(), _labels()[numbers]).item())
        return out

    def moment(self, saved: dict | None, unreadable: str) -> Moment:
        """What it has seen since it was asked last."""
        weights = _flat(self.parameters())
        seen = Moment(self._rows, self._sizes, self._losses, weights, saved, unreadable)
        self._rows, self._sizes, self._losses = [], [], []
        return seen


# --- most_trials ---


class Machine(NamedTuple):
    """The arguments of `most_trials`, in its order."""

    cpus: float
    trial_cpus: float
    workers: int
    cpus_per_worker: float

    @property
    def words(self) -> str:
        """The machine as a sentence's beginning."""
        each = f"{self.workers} workers" if self.workers > 1 else "one worker"
        return (
            f"On {self.cpus:g} CPUs, where a trial holds {self.trial_cpus:g} and has {each} of "
            f"{self.cpus_per_worker:g}"
        )

    def hundredths(self) -> tuple[int, int, int]:
        """The CPUs, what a trial holds itself, what its workers hold: whole numbers."""
        cpus, trial, each = (
            round(100 * share) for share in (self.cpus, self.trial_cpus, self.cpus_per_worker)
        )
        return cpus, trial, self.workers * each

    def most(self) -> int:
        """How many trials run at the same time with all their workers."""
        cpus, trial, group = self.hundredths()
        return cpus // (trial + group)


# The first ones each tell a mistake apart; the others are drawn.
MACHINES = [
    Machine(2, 1, 1, 1),
    Machine(2, 1, 2, 1),
    Machine(8, 1, 1, 1),
    Machine(3, 0.1, 2, 0.1),
    Machine(1.5, 0.5, 1, 0.25),
    Machine(4, 0, 2, 1),
]


def _machines() -> list[Machine]:
    draw = np.random.default_rng(15)
    drawn = [
        Machine(
            float(draw.integers(1, 65)),
            float(draw.choice([0, 0.01, 0.1, 0.25, 0.5, 1, 2])),
            int(draw.integers(1, 9)),
            float(draw.choice([0.1, 0.25, 0.5, 1, 1.5, 2, 4])),
        )
        for _ in range(200)
    ]
    return MACHINES + drawn


@exercise
def most_trials(answer) -> str:
    """`most_trials(...)`: how many trials run at the same time with all their workers."""
    machines = _machines()
    returned = run_without_ray(_numbers, answer)
    for machine, number in zip(machines, returned, strict=False):
        _number(machine, number)
    return f"Right on {len(machines)} machines. {MACHINES[0].words}: {returned[0]}."


def _numbers(answer) -> list:
    """What it returns for one machine after the other, up to the first that is wrong."""
    returned = []
    for machine in _machines():
        returned.append(answer(*machine))
        if returned[-1] != machine.most():
            break
    return returned


def _number(machine: Machine, number: Any) -> None:
    """Raise NotYet unless this is how many trials this machine can run."""
    if not _is_count(number):
        raise NotYet(f"{machine.words}, you return {number!r}. It should be 0, 1, 2, ...")
    if number == machine.most():
        return
    cpus, trial, group = machine.hundredths()
    show(_drawn_cpus(machine, int(number)))
    said = f"{machine.words}, you let {number:g} trials run at the same time"
    if number * trial + group > cpus >= number * trial:
        raise NotYet(
            f"{said}. They hold {number * trial / 100:g} CPUs. What is left is too little for the "
            f"{group / 100:g} of one trial's workers, so no trial ever trains."
        )
    if number > machine.most():
        raise NotYet(
            f"{said}. With their workers they want {number * (trial + group) / 100:g} CPUs, so "
            "some trials hold CPUs and wait for their workers."
        )
    together = machine.trial_cpus + machine.workers * machine.cpus_per_worker
    if number == machine.cpus // together:
        raise NotYet(
            f"{said}. {machine.most()} fit: {machine.most()} times {together:.2f} is "
            f"{machine.most() * together:.2f}. Floating point makes a little more of it; count in "
            "hundredths."
        )
    raise NotYet(f"{said}. {machine.most()} fit: with its workers a trial holds {together:.2f}.")


def _is_count(number: Any) -> bool:
    """Whether this is 0, 1, 2, ..., of whatever type."""
    try:
        return not isinstance(number, str) and number == int(number) >= 0
    except (TypeError, ValueError, OverflowError):
        return False


def _drawn_cpus(machine: Machine, number: int):
    """A bar of what so many trials hold, a bar of what their workers want, and the CPUs."""
    _, trial, group = machine.hundredths()
    figure, axis = plots.figure(7, 1.9)
    axis.barh(0, number * trial / 100, color=plots.BLUE, label="held by trials")
    axis.barh(
        0, number * group / 100, left=number * trial / 100, color=plots.ORANGE, label="for workers"
    )
    axis.axvline(machine.cpus, color=plots.RED)
    axis.text(machine.cpus, 0.45, f" {machine.cpus:g} CPUs", color=plots.RED, va="bottom")
    axis.set(yticks=[], xlabel="CPUs", ylim=(-0.5, 0.7), title=f"{number} trials")
    axis.legend(frameon=False, loc="lower right")
    return figure


# --- batched_reader ---

IMAGES, SHARE = 64, 0.1  # requests at the same time; CPUs
MOST, DEFAULT = 32, 10  # images in a batch; what Serve takes unless told otherwise
READING_S = 0.05  # how long a batch takes: meanwhile the other requests arrive
ROUNDS = 5


class Seen(NamedTuple):
    """What a deployment did, or why there is none."""

    failure: str = ""  # why no replica starts
    digits: Sequence = ()  # what the requests returned, in their order
    loads: int = 0  # how often the model was loaded
    replicas: int = 0  # how many processes loaded it
    cpus: float = 0.0  # that a replica reserves
    sizes: Sequence[int] = ()  # how many images each call of the model got
    strange: str = ""  # what it got in place of a list of images


@exercise
def batched_reader(answer) -> str:
    """`BatchedReader.bind(load)`: a deployment that reads images in batches."""
    if not isinstance(answer, serve.Deployment):
        raise NotYet("Decorate the class with @serve.deployment(...).")
    if not serve.status().proxies:
        raise CannotJudge("Serve is not running. Run the cell with serve.start, then this one.")
    application = f"exercise-{uuid.uuid4().hex[:8]}"  # others may be at theirs on the same Ray
    try:
        seen = run(_asked_together, answer, application, limit=30.0)
    finally:
        serve.delete(application)
    if seen.failure:
        raise NotYet(f"No replica starts: {seen.failure}")
    if seen.strange:
        raise NotYet(f"read takes a list of images; it got {seen.strange}.")
    if not seen.sizes:
        raise NotYet("No image was read. Call what load() returns.")
    show(_drawn_sizes(seen.sizes))
    largest = max(seen.sizes)
    if seen.loads > seen.replicas:
        raise NotYet(f"One replica loaded the model {seen.loads} times. Load it in __init__.")
    if largest == 1:
        raise NotYet("The images were read one by one. @serve.batch collects them.")
    if largest > MOST:
        raise NotYet(f"A batch had {largest} images; {MOST} are the most.")
    if seen.digits != _digits(range(IMAGES)):
        raise NotYet(_wrong(seen.digits))
    if largest <= MOST // 2:
        raise NotYet(
            f"{IMAGES} requests came at the same time, and the largest batch had {largest} images "
            f"in place of {MOST}. A replica accepts max_ongoing_requests at a time, by default 5, "
            f"and a batch is max_batch_size at most, by default {DEFAULT}."
        )
    if not np.isclose(seen.cpus, SHARE):
        raise NotYet(
            f"Your replica reserves {seen.cpus:g} CPUs in place of {SHARE:g}: "
            f'ray_actor_options={{"num_cpus": {SHARE:g}}}.'
        )
    return f"{len(seen.sizes)} batches, the largest of {largest} images."


def _digits(numbers) -> list[int]:
    return [(7 * number + 3) % 10 for number in numbers]


def _wrong(digits: Sequence) -> str:
    """What is wrong with what the requests returned."""
    for number, (said, right) in enumerate(zip(digits, _digits(range(IMAGES)), strict=True)):
        if isinstance(said, list):
            return f"A request got a list in place of a digit: {said[:4]}"
        if said != right:
            return f"Request {number} got {said!r}, and its image is a {right}."
    return ""


def _asked_together(answer, application: str) -> Seen:
    """Deploy it, and ask it for all images at the same time.

    Again, where the requests came too slowly to fill a batch, as they may on a busy machine.
    """
    logging.getLogger("ray.serve").setLevel(logging.CRITICAL)
    notes = ray.remote(num_cpus=0)(Noted).remote()
    quick = answer.options(graceful_shutdown_wait_loop_s=0.1, graceful_shutdown_timeout_s=1)
    try:
        bound = quick.bind(_loader(notes))
        handle = serve.run(bound, name=application, route_prefix=f"/{application}")
    except RuntimeError:
        [deployment] = serve.status().applications[application].deployments.values()
        return Seen(deployment.message.splitlines()[-1])
    images = [np.full((2, 2), number, np.uint8) for number in range(IMAGES)]
    for _ in range(ROUNDS):
        requests = [handle.remote(image) for image in images]
        digits = [request.result() for request in requests]
        seen = ray.get(notes.seen.remote(digits))
        if not DEFAULT < max(seen.sizes, default=0) < MOST:
            break
    return seen


class Noted:
    """Keeps what happens in the replicas; an actor's class."""

    def __init__(self):
        self.processes, self.cpus, self.sizes, self.strange = [], 0.0, [], ""

    def load(self, process: int, cpus: float) -> None:
        self.processes.append(process)
        self.cpus = cpus

    def read(self, size: int, strange: str) -> None:
        self.sizes.append(size)
        self.strange = strange or self.strange

    def seen(self, digits: list) -> Seen:
        loads, replicas = len(self.processes), len(set(self.processes))
        return Seen("", digits, loads, replicas, self.cpus, self.sizes, self.strange)


def _loader(notes) -> Callable[[], Callable]:
    """What the deployment is given: `load()`, which returns `read(images)`."""

    def read(images):
        if isinstance(images, list | tuple) and all(np.shape(one) == (2, 2) for one in images):
            ray.get(notes.read.remote(len(images), ""))
            time.sleep(READING_S)
            return _digits(int(np.asarray(one)[0, 0]) for one in images)
        ray.get(notes.read.remote(0, f"{type(images).__name__} of shape {np.shape(images)}"))
        return [0] * len(images)

    def load():
        here = ray.get_runtime_context().get_assigned_resources()
        ray.get(notes.load.remote(os.getpid(), here.get("CPU", 0.0)))
        return read

    return load


def _drawn_sizes(sizes: list[int]):
    """A bar for every call of the model, as high as its batch was large."""
    figure, axis = plots.figure(7, 2.2)
    axis.bar(range(1, len(sizes) + 1), sizes, color=plots.BLUE)
    axis.axhline(MOST, color=plots.PALE, zorder=0)
    axis.set(xlabel="call of read", ylabel="images", title=f"{IMAGES} requests at the same time")
    return figure
