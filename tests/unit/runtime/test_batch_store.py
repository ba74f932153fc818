"""The folder of a run that can be resumed: whole records, whatever is cut off or damaged."""

import json
import os
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from elsac.runtime.batch.codec import decode, encode, pack, unpack
from elsac.runtime.batch.store import LOG, RUN, Store
from elsac.runtime.batch.work import Finished, Plan, Station, Task
from elsac.runtime.bindings import Host, RunError
from elsac.runtime.emulator import load_image, run_sample
from elsac.runtime.meter import Meter
from elsac.targets import load_target
from tests.unit.runtime.test_run import tiled

WHAT = {"program": "a" * 64, "options": {"engine": "fast"}, "inputs": {"input 'x'": "b" * 64}}


def finished(count: int, meter: bool = False) -> list[Finished]:
    """Some samples, with everything that can be kept of them."""
    _, program = tiled()
    batch = np.random.default_rng(0).integers(-8, 8, (count, 5, 4, 3)).astype(np.float32)
    plan = Plan(tensors=True, record=True)
    measure = Meter(program, load_target("elsa-6x6")) if meter else None
    station = Station(load_image(program), Host(program), plan, run_sample, measure)
    return [station.run(Task(i, {"x": batch[i : i + 1]})) for i in range(count)]


def test_trees_come_back() -> None:
    tree: dict[str, Any] = {
        "": [1, None, True, "text", 0.1, [], {}],
        "array": {"array": np.arange(6, dtype=np.int8).reshape(2, 3).T},
        "dict": np.array(1e-300),
        "empty": np.zeros((0, 4), np.float32),
        "flags": np.array([True, False]),
    }
    again = unpack(pack(tree))
    assert list(again) == list(tree)
    assert again[""] == tree[""]
    for one, two in zip(
        (tree["array"]["array"], tree["dict"], tree["empty"], tree["flags"]),
        (again["array"]["array"], again["dict"], again["empty"], again["flags"]),
        strict=True,
    ):
        assert one.dtype == two.dtype and one.shape == two.shape
        np.testing.assert_array_equal(one, two)
    assert pack(again) == pack(tree)


@pytest.mark.parametrize("meter", [False, True])
def test_samples_come_back(meter: bool) -> None:
    for sample in finished(2, meter):
        data = encode(sample)
        assert encode(decode(data)) == data
        assert (decode(data).measured is not None) == meter


def test_a_folder_goes_on(tmp_path: Path) -> None:
    samples = finished(4)
    with Store(tmp_path / "run", WHAT, 4) as store:
        small = store.put(samples[2])
        assert not small.sample.tensors and samples[2].sample.tensors
        store.put(samples[0])
    with Store(tmp_path / "run", WHAT, 4) as store:
        assert store.numbers() == {0, 2} and len(store) == 2
        assert encode(store.get(2)) == encode(small)
        store.put(samples[1])
        store.put(samples[3])
        for name, array in store.tensors(4).items():
            whole = np.stack([sample.sample.tensors[name] for sample in samples])
            assert array.dtype == whole.dtype
            np.testing.assert_array_equal(array, whole)
        assert all(len(array) == 3 for array in store.tensors(3).values())


def test_a_log_may_end_at_any_byte(tmp_path: Path) -> None:
    samples = finished(3)
    ends = [0]
    with Store(tmp_path / "run", WHAT, 3) as store:
        for sample in samples:
            store.put(sample)
            ends.append(os.stat(tmp_path / "run" / LOG).st_size)
    path = tmp_path / "run" / LOG
    data = path.read_bytes()
    sizes = random.Random(0).sample(range(len(data)), 60)
    for size in sorted({*sizes, *ends, *(end + 1 for end in ends[:-1])}):
        path.write_bytes(data[:size])
        with Store(tmp_path / "run", WHAT, 3) as store:
            whole = sum(end <= size for end in ends[1:])
            assert store.numbers() == set(range(whole))
            for sample in samples[whole:]:
                store.put(sample)
        assert path.read_bytes() == data


def test_damage_costs_samples_and_nothing_else(tmp_path: Path) -> None:
    samples = finished(3)
    with Store(tmp_path / "run", WHAT, 3) as store:
        for sample in samples:
            store.put(sample)
    path = tmp_path / "run" / LOG
    data = path.read_bytes()
    for place in random.Random(1).sample(range(len(data)), 60):
        damaged = bytearray(data)
        damaged[place] ^= 1 << place % 8
        path.write_bytes(damaged)
        with Store(tmp_path / "run", WHAT, 3) as store:
            assert store.numbers() == set(range(len(store))) and len(store) < 3
    # A tensor file is checked as well, sample by sample.
    path.write_bytes(data)
    (file,) = (tmp_path / "run").glob("tensor-*.npy")
    np.load(file, mmap_mode="r+")[1] += 1
    with Store(tmp_path / "run", WHAT, 3) as store:
        assert store.numbers() == {0, 2}
    file.unlink()
    with Store(tmp_path / "run", WHAT, 3) as store:
        assert not store.numbers()


@pytest.mark.parametrize(
    ("part", "message"),
    [
        ({"program": "c" * 64}, "program is sha256 cccccccccccc here, sha256 aaaaaaaaaaaa there"),
        ({"options": {"engine": "interpreter"}}, "engine is interpreter here, fast there"),
        ({"options": {"engine": "fast", "jitter": 3}}, "jitter is 3 here, none there"),
        ({"inputs": {"input 'x'": "d" * 64}}, "input 'x' is sha256 dddddddddddd here"),
        ({"inputs": {"input 'y'": "b" * 64}}, "input 'x' is none here, .* there and 1 more"),
    ],
)
def test_another_run_is_refused(tmp_path: Path, part: dict[str, Any], message: str) -> None:
    Store(tmp_path / "run", WHAT, 3).__exit__(None, None, None)
    with pytest.raises(RunError, match=message) as caught:
        Store(tmp_path / "run", WHAT | part, 3)
    assert str(caught.value).startswith(f"{tmp_path / 'run'}: holds another run: ")


def test_folders_that_cannot_be_used(tmp_path: Path) -> None:
    for path, message in (
        (tmp_path / "no" / "run", "cannot be used to resume: No such file"),
        (tmp_path, "holds 'file' and no results"),
        (tmp_path / "file", "cannot be used to resume: "),
    ):
        (tmp_path / "file").touch()
        with pytest.raises(RunError, match=message):
            Store(path, WHAT, 3)
    for text in ("{", "[]"):
        (tmp_path / "run").mkdir(exist_ok=True)
        (tmp_path / "run" / RUN).write_text(text)
        with pytest.raises(RunError, match="damaged"):
            Store(tmp_path / "run", WHAT, 3)


def test_a_folder_has_one_writer(tmp_path: Path) -> None:
    with Store(tmp_path / "run", WHAT, 3):
        with pytest.raises(RunError, match="another run writes to it at this moment"):
            Store(tmp_path / "run", WHAT, 3)
    with Store(tmp_path / "run", WHAT, 3) as store:
        assert len(store) == 0
    assert json.loads((tmp_path / "run" / RUN).read_text())["program"] == "a" * 64


def test_a_process_that_died_before_it_began(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / f".{RUN}.77.tmp").write_text('{"rec')
    with Store(tmp_path / "run", WHAT, 3) as store:
        assert len(store) == 0
