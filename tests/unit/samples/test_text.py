"""Text becomes ids and passages, and nothing that is held out is trained with."""

from pathlib import Path

import numpy as np
import pytest

from samples.text import (
    HELD_OUT,
    NUMBER,
    PADDING,
    TOKENS,
    UNKNOWN,
    encode,
    load,
    passages,
    split,
    tokens,
    vocabulary,
)

TEXT = Path(__file__).parents[3] / "samples" / "text.npz"


def test_words_are_cut_numbers_are_one_and_runs_of_a_mark_too() -> None:
    assert tokens("Classified, classifiers!") == ["class", ",", "class", "!"]
    assert tokens("2 or 3.14 ==== ::") == [NUMBER, "or", NUMBER, "=", ":"]
    assert tokens("x=-1") == ["x", "=", "-", NUMBER]
    assert tokens("") == []


def test_a_vocabulary_has_what_is_seen_often_enough() -> None:
    words = vocabulary([["b", "a", "c"], ["b", "a"]])
    assert words == (PADDING, UNKNOWN, "a", "b")
    assert encode(["b", "c", "a"], words).tolist() == [3, 1, 2]
    assert vocabulary([["b", "a"]], least=1) == (PADDING, UNKNOWN, "a", "b")


@pytest.mark.parametrize(("length", "rows"), [(0, 1), (1, 1), (TOKENS, 1), (TOKENS + 1, 2)])
def test_passages_hold_the_whole_text(length: int, rows: int) -> None:
    words = vocabulary([["a"]], least=1)
    ids = passages("a " * length, words)
    assert (ids.shape, ids.dtype) == ((rows, TOKENS), np.int64)
    assert ids.ravel()[:length].tolist() == [2] * length
    assert not ids.ravel()[length:].any()


@pytest.mark.parametrize("length", [0, TOKENS - 1, 3 * TOKENS, 13 * TOKENS + 5])
def test_a_split_loses_and_repeats_nothing(length: int) -> None:
    document = [str(n) for n in range(length)]
    parts = list(split(document))
    whole = length // TOKENS
    assert [token for _, part in parts for token in part] == document[: whole * TOKENS]
    held = [part for is_held, part in parts if is_held]
    assert [int(part[0]) // TOKENS for part in held] == [*range(HELD_OUT // 2, whole, HELD_OUT)]
    assert all(len(part) == TOKENS for part in held)


def test_the_file_has_passages_of_its_vocabulary() -> None:
    text = load(TEXT)
    assert text.ids.shape == (len(text.label), TOKENS)
    assert (text.ids.dtype, text.label.dtype) == (np.int64, np.int64)
    assert text.words[:2] == (PADDING, UNKNOWN)
    assert len(set(text.words)) == len(text.words)
    assert 0 < text.ids.min()  # no padding
    assert text.ids.max() < len(text.words)
    assert sorted(set(text.label.tolist())) == list(range(len(text.classes)))
    arrays = text.arrays()
    with np.load(TEXT) as stored:
        assert set(stored.files) == set(arrays)
        for name, array in arrays.items():
            np.testing.assert_array_equal(stored[name], array)


def test_no_held_out_passage_is_trained_with() -> None:
    pytest.importorskip("sklearn")
    from samples.text_data import data

    ids, label, held_out = data()
    assert ids.shape == (len(label), TOKENS)
    trained = {row.tobytes() for row in ids}
    assert len(trained) > len(held_out.ids)
    assert not [row for row in held_out.ids if row.tobytes() in trained]
    assert np.bincount(label).min() > 0
