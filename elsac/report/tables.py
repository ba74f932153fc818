"""Results as plain text: aligned columns, no colours, so that they read the same in every file."""

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from elsac.report.mapping import mapping_rows
from elsac.runtime.program import Program

if TYPE_CHECKING:  # the emulator takes longer to import than most commands take
    from elsac.runtime.run import RunResult


def table(headers: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Lay out rows in columns; numbers stand to the right and have thousands separators."""
    cells = [[_text(cell) for cell in row] for row in rows]
    kept = list(rows) if isinstance(rows, Sequence) else []
    numeric = [
        bool(kept) and all(isinstance(row[i], int | float) for row in kept)
        for i in range(len(headers))
    ]
    widths = [max(len(row[i]) for row in [list(headers), *cells]) for i in range(len(headers))]

    def line(row: Sequence[str]) -> str:
        parts = [
            text.rjust(width) if right else text.ljust(width)
            for text, width, right in zip(row, widths, numeric, strict=True)
        ]
        return "  ".join(parts).rstrip()

    return "\n".join([line(headers), line(["-" * w for w in widths]), *map(line, cells)])


def pairs(rows: Iterable[tuple[str, str]]) -> str:
    """Lay out names and values."""
    listed = list(rows)
    width = max(len(name) for name, _ in listed)
    return "\n".join(f"{name.ljust(width)}  {value}" for name, value in listed)


def markdown(headers: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table in Markdown."""
    lines = [headers, ["---"] * len(headers), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def run_summary(result: "RunResult", program: Program) -> str:
    """Say how a run went."""
    from elsac.report.exits import exit_rows

    totals, header = result.totals, program.header
    spikes = totals.spikes_positive + totals.spikes_negative
    rows = []
    if result.correct is not None:
        share = f"{100 * result.correct / result.samples:.2f} %"
        rows.append(("accuracy", f"{share}  ({result.correct:,} of {result.samples:,})"))
    if result.cut:
        rows.append(
            (
                "terminal",
                f"NO: {result.cut:,} of {result.samples:,} inputs were cut by --max-steps; "
                "their results are not those of the quantized network",
            )
        )
    elif result.exited.any():
        exited = int(result.exited.sum())
        rows.append(
            (
                "terminal",
                f"NO: {exited:,} of {result.samples:,} inputs ended early, as was asked for",
            )
        )
    else:
        rows.append(("terminal", "every input quiescent"))
    rate = result.samples / result.seconds if result.seconds else 0.0
    rows += [
        ("steps", f"mean {result.steps.mean():,.2f}, max {int(result.steps.max()):,}"),
        *exit_rows(result),
        (
            "spikes",
            f"{spikes:,}  ({totals.spikes_positive:,} positive, "
            f"{totals.spikes_negative:,} negative)",
        ),
        ("SOPs", f"{totals.sops:,}"),
        *_rounding_row(result, program),
        ("packets", f"{totals.packets:,}  ({totals.flit_hops:,} flit hops)"),
        ("model", f"functional run; engine {_engine(result)}"),
        ("alphabet", f"{header.get('alphabet')} spikes, {header.get('coding')} input"),
        ("target", _target(header)),
        (
            "time",
            f"{result.seconds:,.2f} s for {result.samples:,} inputs  ({rate:,.1f} per second)",
        ),
    ]
    text = pairs(rows)
    if result.accuracy_per_step:
        steps = [(i, f"{100 * a:.2f} %") for i, a in enumerate(result.accuracy_per_step, 1)]
        text += "\n\n" + table(("step", "accuracy"), steps)
    return text


def _engine(result: "RunResult") -> str:
    """Name the engine, and why it ran in its slower form."""
    reason = result.fallback
    return f"{result.engine}{'' if reason is None else f' (virtual machine: {reason})'}"


def _rounding_row(result: "RunResult", program: Program) -> list[tuple[str, str]]:
    """Say whether tables decided every softmax and norm, where there are any."""
    if not len(program.softmaxes) + len(program.norms):
        return []
    count = result.totals.undecided
    if not count:
        return [("rounding", "every softmax and norm decided: correctly rounded")]
    layers = [layer.name for layer in result.layers if layer.undecided]
    named = ", ".join(layers[:2]) + (f" and {len(layers) - 2} more" if len(layers) > 2 else "")
    return [
        (
            "rounding",
            f"NOT PROVED: {count:,} rows of {named}, whose levels may be one off; "
            "compile with more --table-bits",
        )
    ]


def program_summary(program: Program, path: str, size: int | None) -> str:
    """Say in a few lines what was compiled."""
    threads, header = program.threads, program.header
    neurons = int((threads["rows"].astype("int64") * threads["columns"]).sum())
    target = header["target"]
    cores = target["mesh_width"] * target["mesh_height"]
    rows = [
        ("network", f"{header['network']}: {len(program.layers):,} layers, {neurons:,} neurons"),
        ("target", _target(header)),
        ("cores", f"{len(program.cores):,} of {cores:,}, with {len(threads):,} threads"),
        ("packets", packet_text(header)),
        *mapping_rows(header),
    ]
    if size is not None:
        rows.append(("program", f"{path}: {size:,} bytes"))
    return pairs(rows)


def packet_text(header: Mapping[str, Any]) -> str:
    """Describe the packets of a program in a line; bundles have modes that hold more spikes."""
    packet = header["packet"]
    share = "at least" if packet["kind"] == "bundle" else "at most"
    return (
        f"{packet['kind']}, {packet['flit_bits']} bits, {share} {packet['capacity']} "
        f"{header['alphabet']} spikes"
    )


def pass_times(seconds: Mapping[str, float]) -> str:
    """Show the time of each pass."""
    rows: list[tuple[str, float]] = [(name, s * 1000) for name, s in seconds.items()]
    rows.append(("total", sum(s * 1000 for s in seconds.values())))
    return table(("pass", "milliseconds"), rows)


def verification_summary(result: Mapping[str, Any]) -> str:
    """Show what `elsac verify` found: a row for each tensor, then the verdict."""
    columns = (
        "elements", "emulator", "spiking", "onnxruntime", "near_ties", "downstream", "unexplained",
    )  # fmt: skip
    tensors = [[t["name"], *(t[c] for c in columns)] for t in result["tensors"]]
    total = ["total", *(sum(t[c] for t in result["tensors"]) for c in columns)]
    headers = ("tensor", *(c.replace("_", " ") for c in columns))
    outputs = [
        [
            o["name"], o["elements"], o["emulator"], o["spiking"],
            f"{o['max_difference']:.3g}", o["unexplained"],
        ]
        for o in result["outputs"]
    ]  # fmt: skip
    output_headers = (
        "output", "elements", "emulator", "spiking", "onnxruntime, largest", "unexplained",
    )  # fmt: skip
    lines = [
        "elements that differ from the exact quantized network:",
        table(headers, [*tensors, total]),
        "",
        table(output_headers, outputs),
        "",
    ]
    if result["steps_differ"]:
        lines.append(f"steps: the engines differ in {result['steps_differ']:,} samples")
    if result["correct"]:
        shares = (
            f"{who} {100 * right / result['samples']:.2f} %"
            for who, right in result["correct"].items()
        )
        lines.append(f"accuracy: {', '.join(shares)}")
    lines += _compared(result)
    engines = " and ".join(result["engines"])
    verdict = "verified" if result["passed"] else "NOT verified"
    lines.append(f"{verdict}: {result['samples']:,} samples, engine {engines}")
    lines.append(f"target {result['target']}  sha256 {result['target_sha256'][:12]}")
    return "\n".join(lines)


def _compared(result: Mapping[str, Any]) -> list[str]:
    """Say how much was compared, what became of near-ties, and where the time went."""
    tensors = result["tensors"]
    columns = ("elements", "referenced", "onnxruntime", "emulator", "spiking", "near_ties")
    total = {name: sum(t[name] for t in tensors) for name in (*columns, "downstream")}
    shown = sum(t["referenced"] > 0 for t in tensors)
    text = f"{len(tensors):,} tensors, {total['elements']:,} elements"
    if total["referenced"] < total["elements"]:
        text += f" ({shown:,} and {total['referenced']:,} of them with onnxruntime)"
    differing = ", ".join(f"{n} {total[n]:,}" for n in ("emulator", "spiking", "onnxruntime"))
    rows = [("compared", text), ("differing", differing)]
    if total["onnxruntime"]:
        furthest = max(t["tie_distance"] for t in tensors)
        how = "from onnxruntime's own inputs of its layer, each exact value is next to the tie"
        off = f"{furthest:.2g} of a step at most, where {result['near_tie']:.2g} is the limit"
        rows.append(("near-ties", f"{total['near_ties']:,} certified: {how} ({off})"))
        rows.append(("downstream", f"{total['downstream']:,} follow from differing inputs"))
    times = (f"{name} {seconds:,.1f} s" for name, seconds in result["times"].items())
    return [*pairs([*rows, ("time", ", ".join(times))]).split("\n"), ""]


def target_list(targets: Iterable[Mapping[str, Any]]) -> str:
    """Show chips, one in a row."""
    rows = [
        (t["name"], t["mesh_width"] * t["mesh_height"], t["alphabet"], t["description"])
        for t in targets
    ]
    return table(("target", "cores", "alphabet", "description"), rows)


def target_table(target: Mapping[str, Any], digest: str) -> str:
    """Show every value of a chip."""
    return pairs([*((key, str(value)) for key, value in target.items()), ("sha256", digest)])


def _target(header: Mapping[str, Any]) -> str:
    return f"{header['target']['name']}  sha256 {header['target_sha256'][:12]}"


def _text(cell: object) -> str:
    if isinstance(cell, float):
        return f"{cell:,.1f}"
    return f"{cell:,}" if isinstance(cell, int) else str(cell)
