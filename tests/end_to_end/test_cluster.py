"""Batches on a real Dask cluster of processes, whose workers may die."""

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from distributed import Client, LocalCluster, secede

from elsac.runtime import container
from elsac.runtime.batch import cluster_client, cluster_worker
from elsac.runtime.energy import program_target
from elsac.runtime.meter import Meter
from elsac.runtime.run import RunError, RunResult, run_program
from tests.end_to_end.conftest import DIGITS, Run


@pytest.fixture(scope="module")
def cluster() -> Iterator[LocalCluster]:
    """Two workers with one thread each, restarted when they die."""
    with LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=":0", silence_logs=60
    ) as cluster:
        yield cluster


def hold(monkeypatch: pytest.MonkeyPatch, number: int, folder: Path) -> tuple[Path, Path]:
    """Let the worker that gets a sample wait: it writes its process to the first file that is
    returned, and goes on when there is the second one.
    """
    where, gate = folder / "worker", folder / "gate"

    # Pickled by value, as it is no name of a module; the workers' own run_chunk is the real one.
    def run_chunk(versions: Any, sha256: str, plan: bytes, numbers: list[int], arrays: Any) -> Any:
        from elsac.runtime.batch.cluster_worker import run_chunk

        if number in numbers and not gate.exists():
            secede()  # other chunks of this worker need not wait
            part = where.with_suffix(".part")
            part.write_text(str(os.getpid()))
            part.replace(where)
            while not gate.exists():
                time.sleep(0.01)
        return run_chunk(versions, sha256, plan, numbers, arrays)

    monkeypatch.setattr(cluster_worker, "run_chunk", run_chunk)
    return where, gate


def same(left: RunResult, right: RunResult) -> None:
    """Compare everything but the time that was taken."""
    for what in ("outputs", "integers", "tensors"):
        a, b = getattr(left, what), getattr(right, what)
        assert list(a) == list(b)
        for name in a:
            assert a[name].dtype == b[name].dtype
            np.testing.assert_array_equal(a[name], b[name])
    np.testing.assert_array_equal(left.steps, right.steps)
    np.testing.assert_array_equal(left.terminal, right.terminal)
    assert left.counts() == right.counts()
    assert left.correct == right.correct
    assert left.accuracy_per_step == right.accuracy_per_step


def test_a_worker_that_is_killed_loses_nothing(
    program: Path,
    digits: dict[str, Any],
    cluster: LocalCluster,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    compiled = container.load(program)
    inputs, truth = {"image": digits["image"][:200]}, digits["label"][:200]
    options: dict[str, Any] = {"labels": truth, "record_steps": True, "tensors": True}
    target = program_target(compiled)
    meters = Meter(compiled, target), Meter(compiled, target)
    serial = run_program(compiled, inputs, emulate=meters[0], **options)
    killed: list[int] = []
    # In the third of 13 chunks, which has been sent when the first results are here.
    where, gate = hold(monkeypatch, 40, tmp_path)

    def kill(done: int, total: int) -> None:
        assert total == len(truth)
        if done == 20:
            while not where.exists():
                time.sleep(0.01)
            killed.append(int(where.read_text()))
            os.kill(killed[0], signal.SIGKILL)
            gate.touch()

    address = cluster.scheduler_address
    found = run_program(
        compiled, inputs, emulate=meters[1], progress=kill, scheduler=address, **options
    )
    assert killed[0] not in {worker.pid for worker in cluster.workers.values()}
    same(serial, found)
    assert meters[0].report() == meters[1].report()


def test_a_folder_of_a_cluster_goes_on_in_threads(
    program: Path,
    digits: dict[str, Any],
    cluster: LocalCluster,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    compiled, inputs = container.load(program), {"image": digits["image"][:60]}
    _, gate = hold(monkeypatch, 59, tmp_path)  # the last sample

    def stop(done: int, total: int) -> None:
        if done == 10:
            raise KeyboardInterrupt

    options: dict[str, Any] = {"tensors": True, "resume": tmp_path / "kept"}
    address = cluster.scheduler_address
    cut = run_program(compiled, inputs, scheduler=address, progress=stop, **options)
    gate.touch()
    assert cut.interrupted and cut.samples == 10
    whole = run_program(compiled, inputs, jobs=2, **options)
    assert 10 <= whole.resumed < 60
    same(run_program(compiled, inputs, tensors=True), whole)


def test_what_a_sample_raises_arrives_as_one_line(
    program: Path, digits: dict[str, Any], cluster: LocalCluster, elsac: Run, tmp_path: Path
) -> None:
    image = digits["image"][:3].copy()
    np.save(tmp_path / "a.npy", image[:2])
    image[2, 0, 1, 1] = np.nan
    np.save(tmp_path / "b.npy", image[2])
    address = cluster.scheduler_address
    result = elsac("run", program, "--input", tmp_path, "--scheduler", address, code=1)
    place = tmp_path / "b.npy"
    text = "input 'image': the element at [0, 0, 1, 1] is not finite"
    assert result.stderr == f"elsac: {place}: {text}\n"


def test_another_version_is_refused(
    program: Path, cluster: LocalCluster, elsac: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cluster_worker, "__version__", "9.9")
    address = cluster.scheduler_address
    flags = ("--input", DIGITS, "--scheduler", address)
    line = elsac("run", program, *flags, code=1).stderr
    assert line.count("\n") == 1
    assert "has elsac 0." in line and "but 9.9 here; install the same on both" in line
    # A worker that comes later is asked as well.
    there = cluster_worker.versions()
    with Client(address, set_as_default=False) as client:
        future = client.submit(cluster_worker.run_chunk, there, "", b"", [4, 5], {})
        (first, second) = future.result()
    assert (first.number, second.number) == (4, 5)
    assert isinstance(first.error(), RunError)
    assert "a worker has another elsac: elsac 0." in first.text


def test_nothing_stays_on_the_cluster(
    program: Path, digits: dict[str, Any], cluster: LocalCluster
) -> None:
    run_program(
        container.load(program),
        {"image": digits["image"][:4]},
        scheduler=cluster.scheduler_address,
    )
    with Client(cluster.scheduler_address, set_as_default=False) as client:
        assert not any(client.run(lambda: len(cluster_worker._PROGRAMS)).values())


def test_a_local_cluster_is_started(elsac: Run, program: Path, tmp_path: Path) -> None:
    paths = [tmp_path / name for name in ("one.npz", "two.npz")]
    flags = ("run", program, "--input", DIGITS, "--images", 20, "--output")
    elsac(*flags, paths[0])
    elsac(*flags, paths[1], "--jobs", 1, "--scheduler")
    assert paths[0].read_bytes() == paths[1].read_bytes()


def test_a_scheduler_that_does_not_answer(
    elsac: Run, program: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cluster_client, "TIMEOUT", 1)
    address = "tcp://127.0.0.1:9"
    flags = ("run", program, "--input", DIGITS, "--scheduler", address)
    line = elsac(*flags, code=1).stderr
    assert line.startswith(f"elsac: scheduler {address}: no answer (") and line.count("\n") == 1
    assert "--jobs is of threads" in elsac(*flags, "--jobs", 2, code=2).stderr
