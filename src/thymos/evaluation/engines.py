"""Where fits are computed: here, in processes of this machine, or on a Dask cluster. The rows are the same.

A call whose worker dies is computed once more; if its worker dies again it is reported as lost and the others go on.
"""

from __future__ import annotations

import contextlib
import logging
import os
import shutil
import sys
import tempfile
import threading
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from thymos.base.catalogue import near
from thymos.base.checks import check_whole
from thymos.base.errors import InputError, ThymosError
from thymos.base.folders import mine, remove_abandoned
from thymos.base.optional import require
from thymos.base.samples import Samples

__all__ = ["ENGINES", "Engine", "Lost", "default_jobs"]

ENGINES = ("sequential", "loky", "dask")

_PREFIX = ".thymos-"  # of folders that samples are copied into
_EARLY = 3  # pools that may break before anything has begun
_PATIENCE = 10  # seconds to wait for a scheduler
_AGAIN = "give the same command again; finished fits are kept"
#: A fit seeds torch and records warnings for its whole process; workers with several threads compute one at a time.
_ONE_AT_A_TIME = threading.Lock()


@dataclass(frozen=True)
class Lost:
    """The answer of a call whose workers died.

    Parameters
    ----------
    words : str
    """

    words: str


@dataclass(frozen=True)
class Engine:
    """Where calls are computed.

    Parameters
    ----------
    name : {'sequential', 'loky', 'dask'}
        In this process, in processes of this machine, or by the workers of a Dask cluster.
    jobs : int
        Processes; of a Dask cluster at an address, its own.
    threads : int
        Threads that NumPy, BLAS and PyTorch may take in each. Another number may change the last digit of a row.
    address : str, optional
        Scheduler of a running Dask cluster, such as ``tcp://10.0.0.1:8786``; without one, `jobs` local workers.

    Raises
    ------
    InputError
        If there is no such engine, or a number is below 1.
    """

    name: str = "sequential"
    jobs: int = 1
    threads: int = 1
    address: str | None = None

    def __post_init__(self):
        if self.name not in ENGINES:
            raise InputError(f"engine={self.name!r} came.{near(self.name, ENGINES)}", fits=", ".join(ENGINES))
        check_whole("jobs", self.jobs)
        check_whole("threads", self.threads)
        if self.address and self.name != "dask":
            raise InputError(f"An address came with the engine {self.name!r}.", fits="--engine dask")

    def check(self) -> None:
        """See that the cluster at an address answers, before anything is read.

        Raises
        ------
        InputError
            If it does not, or has no workers.
        MissingExtraError
            If Dask is not installed.
        """
        if self.name == "dask":
            require("distributed", "distributed")
        if self.address:
            with _client(self):
                pass

    def run(
        self, work: Callable[..., Any], calls: Sequence[tuple], samples: Samples, shared: Path
    ) -> Iterator[tuple[int, Any]]:
        """Yield the number and the answer of each call, as they come.

        Parameters
        ----------
        work : callable
            Importable; called as ``work(samples, *call)``. It answers with words what goes wrong with a call: an
            exception ends the run.
        calls : sequence of tuple
        samples : Samples
            Given to one process as they are, to several as a memory-mapped copy in a temporary folder.
        shared : path
            A folder that machines of a cluster may have in common; the copy for a cluster lies in it.
        """
        if self.name == "dask":
            yield from self._dask(work, calls, samples, shared)
        elif self.name == "sequential" or self.jobs == 1 or len(calls) < 2:
            for number, call in enumerate(calls):
                yield number, _called(work, samples, self.threads, call)
        else:
            yield from self._loky(work, calls, samples)

    def _loky(self, work: Callable, calls: Sequence[tuple], samples: Samples) -> Iterator[tuple[int, Any]]:
        from joblib import Parallel, delayed, parallel_config

        # loky replaces a worker that has grown, and loses nothing by it; who stops a run knows that it is stopped
        for said in ("A worker stopped while some jobs", r"\d+ tasks which were still being processed"):
            warnings.filterwarnings("ignore", message=said, category=UserWarning)
        with _copied(samples, Path(tempfile.gettempdir())) as folder:
            marks = folder / "begun"
            marks.mkdir()
            left, deaths, early = set(range(len(calls))), dict.fromkeys(range(len(calls)), 0), 0
            while left:
                # which of those under way killed its worker is not known: each goes alone the second time
                suspect = sorted(n for n in left if deaths[n])[:1]
                batch = suspect or sorted(left)
                jobs = max(2, min(self.jobs, len(batch)))  # a single job would be done in this process
                wanted = (delayed(_marked)(marks, n, work, folder, self.threads, calls[n]) for n in batch)
                try:
                    with parallel_config(backend="loky", inner_max_num_threads=self.threads):
                        for number, answer in Parallel(n_jobs=jobs, return_as="generator_unordered")(wanted):
                            left.discard(number)
                            yield number, answer
                except BrokenProcessPool:
                    begun = {int(mark.name) for mark in marks.iterdir()} & left
                    early += not begun  # it may still be the old pool, found broken before anything was begun
                    if early > _EARLY:
                        raise ThymosError("Worker processes die before they begin to compute.", do=_AGAIN) from None
                    for number in sorted(begun):
                        (marks / str(number)).unlink()
                        deaths[number] += 1
                        if deaths[number] > 1:
                            left.discard(number)
                            yield number, Lost(_lost("perhaps for lack of memory: fewer --jobs need less of it"))

    def _dask(
        self, work: Callable, calls: Sequence[tuple], samples: Samples, shared: Path
    ) -> Iterator[tuple[int, Any]]:
        distributed, cloudpickle = (require(name, "distributed") for name in ("distributed", "cloudpickle"))
        with contextlib.ExitStack() as stack:
            client = stack.enter_context(_client(self))
            place = shared if self.address else Path(tempfile.gettempdir())
            data: Any = stack.enter_context(_copied(samples, place)) / "samples"
            if not all(client.run(_sees, data).values()):  # no disk in common: every worker is sent a copy
                data = client.scatter(samples, broadcast=True, hash=False)
            # packed, because a worker that cannot import a method would say so to nobody while it unpacks a task
            packed = [cloudpickle.dumps((work, call)) for call in calls]

            def submit(number: int) -> Any:
                return client.submit(_unpacked, data, self.threads, packed[number], pure=False)

            futures, suspects = {submit(number): number for number in range(len(calls))}, []
            for future in distributed.as_completed(futures):
                answer = _answered(future)
                if answer is None:
                    suspects.append(futures[future])
                else:
                    yield futures[future], answer
                future.release()
            for number in suspects:  # a worker takes what waits for it along; each alone dies for itself
                answer = _answered(submit(number))
                yield number, Lost(_lost("so Dask gave it up")) if answer is None else answer


def _answered(future: Any) -> Any:
    """Wait for a call and return its answer; None if its workers died."""
    distributed = require("distributed", "distributed")
    try:
        error = future.exception()
    except distributed.CancelledError:
        error = future
    if error is future or future.status == "cancelled":
        raise ThymosError("The cluster lost the connection, or the data it was given.", do=_AGAIN)
    if isinstance(error, distributed.scheduler.KilledWorker):
        return None
    return Lost(f"A worker cannot compute it: {type(error).__name__}: {error}") if error else future.result()


def default_jobs() -> int:
    """Return the number of processes this machine has cores for."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _lost(why: str) -> str:
    return f"Its worker process died, and died again when it was tried once more ({why}). What to do: {_AGAIN}"


def _called(work: Callable, where: Samples | Path, threads: int, call: tuple) -> Any:
    """Answer one call, with no more threads than told to."""
    from threadpoolctl import threadpool_limits

    samples = where if isinstance(where, Samples) else _mapped(where)
    torch = sys.modules.get("torch")
    with _ONE_AT_A_TIME, threadpool_limits(threads):
        before = torch.get_num_threads() if torch else threads
        if torch:
            torch.set_num_threads(threads)
        try:
            return work(samples, *call)
        finally:
            if torch:
                torch.set_num_threads(before)


def _unpacked(where: Samples | Path, threads: int, pack: bytes) -> Any:
    """Answer one call that the scheduler passed on unopened."""
    work, call = require("cloudpickle", "distributed").loads(pack)
    return _called(work, where, threads, call)


def _marked(marks: Path, number: int, work: Callable, folder: Path, threads: int, call: tuple) -> tuple[int, Any]:
    """Answer one call and leave a mark while it is being computed, which outlives the process."""
    mark = marks / str(number)
    mark.touch()
    answer = _called(work, folder / "samples", threads, call)
    mark.unlink()
    return number, answer


def _sees(folder: Path) -> bool:
    return (folder / "info.json").is_file()


@lru_cache(maxsize=1)
def _mapped(folder: Path) -> Samples:
    return Samples.load(folder, mmap=True)


@contextlib.contextmanager
def _client(engine: Engine) -> Iterator[Any]:
    """Connect to a cluster, or start one of local processes."""
    distributed, dask = require("distributed", "distributed"), require("dask", "distributed")
    if not engine.address:
        with (
            dask.config.set({"distributed.scheduler.allowed-failures": 0}),  # what is tried again is decided here
            distributed.LocalCluster(
                n_workers=engine.jobs,
                threads_per_worker=1,
                memory_limit=0,
                dashboard_address="127.0.0.1:0",
                silence_logs=logging.CRITICAL,
            ) as cluster,
            distributed.Client(cluster) as client,
        ):
            yield client
        return
    try:
        client = distributed.Client(engine.address, timeout=_PATIENCE)
    except (OSError, ValueError, TypeError) as error:
        raise InputError(
            f"No Dask scheduler answers at {engine.address!r} ({str(error).splitlines()[0]}).",
            fits="the address that `dask scheduler` prints, such as tcp://10.0.0.1:8786",
        ) from None
    with client:
        if not client.scheduler_info()["workers"]:
            raise InputError(
                f"The cluster at {engine.address} has no workers.", fits="one at least: dask worker " + engine.address
            )
        yield client


@contextlib.contextmanager
def _copied(samples: Samples, place: Path) -> Iterator[Path]:
    """Write samples into a folder of their own below `place`, for other processes to map; removed in the end."""
    place.mkdir(parents=True, exist_ok=True)
    remove_abandoned(place, _PREFIX)
    folder = Path(tempfile.mkdtemp(prefix=mine(_PREFIX), dir=place))
    try:
        samples.save(folder / "samples")
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
