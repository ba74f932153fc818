"""A block of steps: every stage in turn runs all its steps.

What a stage sends depends on what it hears and on nothing later, so that a stage may run its steps
in one go once its sources have run theirs; its weights stay in the cache meanwhile.
"""

from typing import Any

from elsac.runtime.emulator.kernels import Array, bare, inlined, part
from elsac.runtime.emulator.stages.counting import count_ports, count_rows
from elsac.runtime.emulator.stages.density import add_sums, prepare
from elsac.runtime.emulator.stages.events import hear
from elsac.runtime.emulator.stages.fields import (
    ACTIVE,
    AWAKE,
    DENSE,
    DOUBTS,
    FIRE,
    FIRST_LINK,
    FIRST_PORT,
    FIRST_ROW,
    FOLD,
    GROUP_COUNT,
    GROUPS,
    INJECT,
    KIND,
    LINK_COUNT,
    LINK_WIDTH_OF_LINE,
    MEMBER,
    MEMBERS,
    PORT_COUNT,
    PORT_FIELDS,
    PRODUCT,
    SLOTS,
    SOFTMAX,
    SOURCE,
    STAGE_WIDTH,
    THREAD,
    UNDECIDED,
    WIDE,
)
from elsac.runtime.emulator.stages.firing import begin, settle, spike
from elsac.runtime.emulator.stages.forming import count_products, form
from elsac.runtime.emulator.stages.moving import sleep
from elsac.runtime.emulator.stages.responding import respond, settle_aims
from elsac.runtime.emulator.stages.vectors import get, put


@bare
def start(tables: Array, stairs: Array, short: Array, wide: Array | None) -> None:
    """Bring all stages to their beginning; the arrays hold zeros."""
    for number in range(get(tables, GROUP_COUNT)):
        group = get(tables, GROUPS) + number * STAGE_WIDTH
        for i in range(get(tables, group + MEMBERS)):
            me = get(tables, group + MEMBER) + i * STAGE_WIDTH
            if get(tables, me + KIND) == FIRE:
                if wide is not None and get(tables, me + WIDE):
                    begin(tables, stairs, wide, me)
                else:
                    begin(tables, stairs, short, me)


@bare
def run_groups(
    tables: Array,
    numbers: Array,
    weights: Array,
    packed: Array,
    starts: Array,
    stairs: Array,
    short: Array,
    wide: Array | None,
    tracers: Array,
    copies: Array,
    wishes: Array,
    masks: Array,
    sizes: Array,
    marks: Array,
    rows: Array,
    best: Array,
    maps: Array,
    sums: Array,
    counts: Array,
    words_run: Array,
    row_spikes: Array,
    row_flits: Array,
    functions: Any,
    first: int,
    last: int,
    time: int,
    begin_step: int,
    end_step: int,
) -> None:
    """Run the groups first..last-1 for some steps of the block, which begins with step `time`.

    `functions` is a tuple of the arrays that products and functions of rows work on.
    """
    for number in range(first, last):
        group = get(tables, GROUPS) + number * STAGE_WIDTH
        fold = get(tables, group + FOLD)
        for opening in range(begin_step, end_step, fold):
            end = min(opening + fold, end_step)
            for link in range(get(tables, group + LINK_COUNT)):
                line = get(tables, group + FIRST_LINK) + link * LINK_WIDTH_OF_LINE
                if get(tables, line + DENSE) >= 0:
                    prepare(
                        *(tables, numbers, masks, sizes, row_spikes, maps, packed, starts, sums),
                        *(group, line, opening, end),
                    )
            for step in range(opening, end):
                if rests(tables, numbers, group, step):
                    for i in range(get(tables, group + MEMBERS)):
                        me = get(tables, group + MEMBER) + i * STAGE_WIDTH
                        sleep(tables, numbers, masks, me, step)
                elif wide is not None and get(tables, group + WIDE):
                    if functions is not None and get(tables, group + PRODUCT):
                        form(
                            *(tables, numbers, masks, sizes, row_spikes, marks, wide),
                            *(functions[7], functions[8], functions[9], functions[10], group, step),
                        )
                    run_step(
                        tables, numbers, weights, stairs, wide, tracers, copies, wishes, masks,
                        sizes, marks, rows, best, sums, functions, group, opening, step, time,
                    )  # fmt: skip
                else:
                    run_step(
                        tables, numbers, weights, stairs, short, tracers, copies, wishes, masks,
                        sizes, marks, rows, best, sums, functions, group, opening, step, time,
                    )  # fmt: skip
                for i in range(get(tables, group + MEMBERS)):
                    me = get(tables, group + MEMBER) + i * STAGE_WIDTH
                    if functions is not None and get(tables, me + KIND) >= SOFTMAX:
                        counts[step, get(tables, me + THREAD), UNDECIDED] = get(
                            numbers, get(tables, me + DOUBTS)
                        )
                    count_ports(tables, masks, counts, words_run, row_spikes, numbers, me, step)
                    if functions is not None and get(tables, group + PRODUCT):
                        count_products(
                            tables, numbers, counts, get(tables, group + PRODUCT), me, step
                        )
                    count_rows(
                        *(tables, masks, rows, counts, row_spikes, row_flits, numbers, me, step)
                    )


@part
def run_step(
    tables: Array,
    numbers: Array,
    weights: Array,
    stairs: Array,
    membranes: Array,
    tracers: Array,
    copies: Array,
    wishes: Array,
    masks: Array,
    sizes: Array,
    marks: Array,
    rows: Array,
    best: Array,
    sums: Array,
    functions: Any,
    group: int,
    opening: int,
    step: int,
    time: int,
) -> None:
    """Let a group hear what has been sent in a step, and its stages spike."""
    for link in range(get(tables, group + LINK_COUNT)):
        line = get(tables, group + FIRST_LINK) + link * LINK_WIDTH_OF_LINE
        slot = -1
        if get(tables, line + DENSE) >= 0:
            slot = get(numbers, get(tables, get(tables, line + DENSE) + SLOTS) + step - opening)
        if slot >= 0:
            add_sums(tables, numbers, membranes, sums, marks, group, line, step, slot)
        else:
            hear(
                *(tables, numbers, weights, membranes, masks, sizes, copies, marks, rows),
                *(group, line, step),
            )
    for i in range(get(tables, group + MEMBERS)):
        me = get(tables, group + MEMBER) + i * STAGE_WIDTH
        first_row = get(tables, (me if get(tables, group + PRODUCT) else group) + FIRST_ROW)
        if functions is not None and get(tables, me + KIND) >= SOFTMAX:
            some = respond(
                *(tables, numbers, stairs, membranes, tracers, masks, sizes, marks, functions),
                *(first_row, me, step),
            )
        else:
            some = spike(
                *(tables, numbers, stairs, membranes, tracers, copies, wishes, masks, sizes),
                *(marks, rows, best, first_row, me, step, time + step),
            )
        put(numbers, get(tables, me + ACTIVE) + step, some)
    if get(tables, group + KIND) == INJECT:  # which spikes without hearing anything
        return
    if functions is not None and get(tables, group + PRODUCT):
        awake = False
        for i in range(get(tables, group + MEMBERS)):
            me = get(tables, group + MEMBER) + i * STAGE_WIDTH
            if get(tables, me + KIND) >= SOFTMAX:
                awake |= settle_aims(tables, marks, me)
            else:
                awake |= settle(tables, marks, me)
        put(numbers, get(tables, group + AWAKE), awake)
    elif functions is not None and get(tables, group + KIND) >= SOFTMAX:
        put(numbers, get(tables, group + AWAKE), settle_aims(tables, marks, group))
    else:
        put(numbers, get(tables, group + AWAKE), settle(tables, marks, group))


@inlined
def rests(tables: Array, numbers: Array, group: int, step: int) -> bool:
    """Return whether a group hears nothing in a step, and has nothing left to spike."""
    if get(numbers, get(tables, group + AWAKE)):
        return False
    for i in range(get(tables, group + MEMBERS)):
        me = get(tables, group + MEMBER) + i * STAGE_WIDTH
        for index in range(get(tables, me + PORT_COUNT)):
            port = get(tables, me + FIRST_PORT) + index * PORT_FIELDS
            if get(numbers, get(tables, get(tables, port + SOURCE) + ACTIVE) + step):
                return False
    return True
