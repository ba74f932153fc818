"""The stages: compiled programs of the usual form, run rows at a time (`engine.py`)."""

from elsac.runtime.emulator.stages.engine import Stages, plan_of, refusal
from elsac.runtime.emulator.stages.shape import NoStages

__all__ = ["NoStages", "Stages", "plan_of", "refusal"]
