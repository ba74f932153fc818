from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from elsac.exact.staircase import rational_array
from elsac.store import StoreError, WeightStore, rationals


def test_equal_arrays_are_kept_once() -> None:
    store = WeightStore()
    key = store.put(np.arange(6, dtype=np.int8).reshape(2, 3))
    # Equal content, another object and another layout in memory.
    other = np.asfortranarray(np.arange(6, dtype=np.int8).reshape(2, 3))
    assert store.put(other) == key
    assert len(store) == 1
    assert list(store) == [key]
    assert key.startswith("sha256:")


def test_keys_tell_types_and_shapes_apart() -> None:
    store = WeightStore()
    keys = {
        store.put(np.zeros(4, dtype=np.int8)),
        store.put(np.zeros(4, dtype=np.int16)),
        store.put(np.zeros((2, 2), dtype=np.int8)),
        store.put(np.zeros(5, dtype=np.int8)),
        store.put(rational_array([0, 0, 0, 0])),
    }
    assert len(keys) == 5


def test_keys_do_not_depend_on_the_store() -> None:
    array = np.arange(5, dtype=np.int32)
    assert WeightStore().put(array) == WeightStore().put(array.copy())


def test_what_is_kept_cannot_be_changed() -> None:
    store = WeightStore()
    array = store.get(store.put(np.arange(5, dtype=np.int32)))
    with pytest.raises(ValueError, match="read-only"):
        array[0] = 7


def test_a_scalar_keeps_its_rank() -> None:
    store = WeightStore()
    assert store.get(store.put(np.array(3, dtype=np.int8))).shape == ()


def test_an_unknown_key_is_refused() -> None:
    with pytest.raises(StoreError, match="holds no blob sha256:00; give the store"):
        WeightStore().get("sha256:00")


def test_a_store_survives_its_file(tmp_path: Path) -> None:
    store = WeightStore()
    weights = np.arange(-4, 4, dtype=np.int8).reshape(2, 4)
    scales = rational_array([[Fraction(1, 3), Fraction(0.1)], [-2, 10**30]])
    empty = np.zeros((0, 3), dtype=np.int64)
    keys = [store.put(a) for a in (weights, scales, empty)]
    store.save(tmp_path / "store.npz")
    loaded = WeightStore.load(tmp_path / "store.npz")
    assert list(loaded) == keys
    assert loaded.get(keys[0]).dtype == np.int8
    assert np.array_equal(loaded.get(keys[0]), weights)
    assert loaded.get(keys[1]).tolist() == scales.tolist()
    assert loaded.get(keys[2]).shape == (0, 3)
    # What was loaded has the keys that it would be given.
    assert [loaded.put(loaded.get(k)) for k in keys] == keys


@pytest.mark.parametrize("data", [b"", b"no archive", b"PK\x03\x04 truncated"])
def test_a_damaged_file_is_refused(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "damaged.npz"
    path.write_bytes(data)
    with pytest.raises(StoreError, match=r"damaged\.npz: not a weight store") as caught:
        WeightStore.load(path)
    assert "pickle" not in str(caught.value)


def test_a_cut_file_is_refused(tmp_path: Path) -> None:
    store = WeightStore()
    store.put(np.arange(1000, dtype=np.int64))
    path = tmp_path / "cut.npz"
    store.save(path)
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(StoreError, match="not a weight store"):
        WeightStore.load(path)


def test_changed_content_is_refused(tmp_path: Path) -> None:
    store = WeightStore()
    store.put(np.arange(1000, dtype=np.int64))
    path = tmp_path / "changed.npz"
    store.save(path)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    with pytest.raises(StoreError, match="not a weight store"):
        WeightStore.load(path)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"absent\.npz: no such file$"):
        WeightStore.load(tmp_path / "absent.npz")
    with pytest.raises(StoreError, match=r"not a weight store \(Is a directory\)"):
        WeightStore.load(tmp_path)


def test_a_pickle_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "objects.npz"
    np.savez(path, a=np.array([{}], dtype=object))
    with pytest.raises(StoreError, match=r"not a weight store \(it holds Python objects\)"):
        WeightStore.load(path)


def test_a_single_array_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "array.npy"
    np.save(path, np.arange(3))
    with pytest.raises(StoreError, match="not a weight store"):
        WeightStore.load(path)


@pytest.mark.parametrize("numbers", [np.arange(3), np.array(["1/0"]), np.array(["one"])])
def test_content_that_is_not_what_its_key_says_is_refused(
    tmp_path: Path, numbers: NDArray[Any]
) -> None:
    path = tmp_path / "swapped.npz"
    np.savez(path, **{"sha256:00": numbers})  # type: ignore[arg-type]
    with pytest.raises(StoreError, match="not a weight store"):
        WeightStore.load(path)


def test_rationals_read_fractions() -> None:
    assert rationals(np.array([["1/3"], ["-2"]])).tolist() == [[Fraction(1, 3)], [-2]]
