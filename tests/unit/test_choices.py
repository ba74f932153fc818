"""The command line, the compiler and the passes know the same names, written down three times so
that none has to load the others.
"""

from collections.abc import Sequence
from typing import Any, get_args

import click
import pytest

from elsac.cli.options import compiler_options
from elsac.compiler import CHOICES, EFFORTS, MOST_SEED
from elsac.mapping.partition import Objective
from elsac.mapping.placement import Method as Placing
from elsac.mapping.routing import Method as Routing
from elsac.passes import (
    claims,
    convert_qann_to_spiking,
    order_spines,
    partition,
    place_cores,
    route_streams,
)
from elsac.runtime.packets import FORMATS

PASSES: dict[str, Sequence[str]] = {
    "objective": partition.OBJECTIVES,
    "tiling": partition.TILINGS,
    "placement": place_cores.METHODS,
    "routing": route_streams.METHODS,
    "packet": tuple(FORMATS),
    "schedule": order_spines.SCHEDULES,
}


@click.command()
@compiler_options
def compiling(**_: Any) -> None:
    """Any command that compiles."""


OPTIONS = {p.name: p for p in compiling.params}


def test_every_choice_is_an_option() -> None:
    chosen = {name for name, o in OPTIONS.items() if isinstance(o.type, click.Choice)}
    assert chosen == CHOICES.keys()
    assert CHOICES.keys() >= PASSES.keys()


@pytest.mark.parametrize("name", CHOICES)
def test_the_command_line_knows_what_the_compiler_knows(name: str) -> None:
    option = OPTIONS[name].type
    assert isinstance(option, click.Choice)
    # The ternary rule is that of ternary targets, and needs no option.
    assert {*option.choices} == {*CHOICES[name]} - ({"ternary"} if name == "shift_rule" else set())


@pytest.mark.parametrize("name", PASSES)
def test_the_passes_know_what_the_compiler_knows(name: str) -> None:
    assert sorted(PASSES[name]) == sorted(CHOICES[name])


def test_passes_and_solvers_know_the_same() -> None:
    assert sorted(partition.OBJECTIVES) == sorted(get_args(Objective))
    assert sorted(place_cores.METHODS) == sorted(get_args(Placing))
    assert sorted(route_streams.METHODS) == sorted(("auto", *get_args(Routing)))


def test_numbers_have_the_same_ranges() -> None:
    seed, effort = OPTIONS["seed"].type, OPTIONS["effort"].type
    assert isinstance(seed, click.IntRange) and isinstance(effort, click.IntRange)
    assert (seed.min, seed.max) == (0, MOST_SEED) == (0, claims.MOST_SEED)
    assert tuple(range(effort.min or 0, (effort.max or 0) + 1)) == EFFORTS


def test_the_help_tells_the_bits_of_tables_that_the_pass_takes() -> None:
    help = getattr(OPTIONS["table_bits"], "help", "")
    assert f"[default: {convert_qann_to_spiking.ConvertQannToSpiking.fraction}]" in help
