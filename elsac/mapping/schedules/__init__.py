"""Schedules: in which order the spines of a map enter, and what that order decides.

A machine that fires by dependency counters gives the same answer in every order. The order decides
when the first and the last spine come out, and how many spines are alive at once on the way.
"""

from elsac.mapping.schedules.dataflow import (
    RULES,
    Layer,
    Port,
    Rule,
    Timing,
    Window,
    chain,
    cone,
    simulate,
)
from elsac.mapping.schedules.factors import Factor
from elsac.mapping.schedules.orders import (
    DEFAULT_BAND,
    ORDERS,
    ScheduleError,
    Sides,
    deferred,
    last_spine,
    order,
)

__all__ = [
    "DEFAULT_BAND",
    "ORDERS",
    "RULES",
    "Factor",
    "Layer",
    "Port",
    "Rule",
    "ScheduleError",
    "Sides",
    "Timing",
    "Window",
    "chain",
    "cone",
    "deferred",
    "last_spine",
    "order",
    "simulate",
]
