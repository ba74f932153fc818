"""The table of a sweep: a line for each configuration, as CSV or Parquet."""

import csv
import io
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from elsac.sweep.errors import SweepError

SUFFIXES = (".csv", ".parquet")

TEXTS = ("status",)
WHOLE = ("samples", "cores")


def check_table(path: str) -> None:
    """Refuse, before any work, a table that could not be written after it."""
    suffix = Path(path).suffix
    if suffix not in SUFFIXES:
        raise SweepError(f"{path}: the table is CSV or Parquet; end its name in .csv or .parquet")
    if suffix == ".parquet" and find_spec("pyarrow") is None:
        raise SweepError(
            f"{path}: Parquet needs pyarrow: pip install 'elsac[parquet]'; or name a .csv file"
        )


def table_bytes(path: str, columns: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> bytes:
    """Return the file of a table by the suffix of its name; the same rows give the same bytes."""
    if Path(path).suffix == ".parquet":
        return parquet(columns, rows)
    return csv_text(columns, rows).encode()


def csv_text(columns: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> str:
    """RFC 4180, lines end in LF; what is not known is empty, numbers have all their digits."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    for row in rows:
        writer.writerow(["" if row.get(c) is None else row[c] for c in columns])
    return text.getvalue()


def parquet(columns: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> bytes:
    """A column of an axis with texts is text, of whole numbers int64, of others float64."""
    import pyarrow as pa
    from pyarrow import parquet as pq

    arrays = []
    for column in columns:
        values = [row.get(column) for row in rows]
        known = [value for value in values if value is not None]
        if column in TEXTS or any(isinstance(value, str) for value in known):
            texts = [None if value is None else str(value) for value in values]
            arrays.append(pa.array(texts, pa.string()))
        elif known and all(type(value) is int for value in known):
            arrays.append(pa.array(values, pa.int64()))
        else:
            kind = pa.int64() if column in WHOLE else pa.float64()
            arrays.append(pa.array(values, kind))
    sink = pa.BufferOutputStream()
    pq.write_table(pa.table(arrays, names=list(columns)), sink)
    return bytes(sink.getvalue())
