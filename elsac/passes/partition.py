"""Cut layers into tiles and give every tile a core: the least bottleneck that fits.

What is possible for each layer comes from `layouts.py`, the choice from `elsac.mapping.partition`.
`tiling` says what may be cut: "columns" (the paper), or "both" columns and lines. `objective` is
"latency" (the busiest core), "energy" (traffic, copies, PE cycles) or "cores". `effort` is how
long the solvers may look: 0 takes the first layout that fits, 2 asks for a proof.
"""

from dataclasses import dataclass, replace
from typing import Literal, cast

from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import SSAValue
from xdsl.passes import ModulePass

from elsac.context import Blobs, CompileError, CompilerContext, compiler_context
from elsac.dialects import token
from elsac.dialects.net import int_attr
from elsac.mapping.partition import (
    DoesNotFit,
    Fit,
    Flow,
    Layer,
    Machine,
    Objective,
    Option,
    explain,
    partition,
)
from elsac.passes.bands import cuts, lines_of
from elsac.passes.capacity import Estimator
from elsac.passes.claims import check_seed, claim
from elsac.passes.fitting import no_fit
from elsac.passes.layouts import Layouts
from elsac.passes.load import Load
from elsac.passes.packet_format import packet_format
from elsac.passes.tiles import Tiling, check_whole, group_size, parts, retile
from elsac.targets import Target

TILINGS = ("both", "columns")
UNLIMITED = 1 << 20
"""More tiles than any layer takes."""
OBJECTIVES = ("latency", "energy", "cores")


@dataclass(frozen=True)
class Partition(ModulePass):
    """Tiles, their cores, and a claim of how busy the busiest core is."""

    name = "partition"
    objective: str = "latency"
    tiling: str = "both"
    effort: int = 1
    seed: int = 0

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        """Ask the solver, retile the module."""
        for what, value, known in (
            ("tiling", self.tiling, TILINGS),
            ("objective", self.objective, OBJECTIVES),
        ):
            if value not in known:
                raise CompileError(f"partition: {what} '{value}' is not one of {', '.join(known)}")
        check_seed(self.name, self.seed, self.effort)
        check_whole(op, self.name)
        context = compiler_context(ctx)
        blobs = Blobs(op, context.store)
        if not any(isinstance(o, token.ActorOp) for o in op.body.ops):
            place_sources(op)
            return
        retile(op, blobs, whole)  # without the streams of which nothing is needed
        question = Question.of(op, blobs, context.target, self.tiling)
        try:
            answer = partition(
                question.layers,
                question.flows,
                question.machine,
                objective=cast(Objective, self.objective),
                seed=self.seed,
                effort=self.effort,
            )
        except DoesNotFit as refusal:
            raise CompileError(no_fit(refusal, context.target)) from None
        cores: list[list[int]] = [[] for _ in question.actors]
        for (layer, _), core in zip(answer.tiles, answer.core, strict=True):
            cores[layer].append(core)
        tilings: dict[SSAValue, Tiling] = {
            actor.output: tiling_of(actor, option, its, blobs)
            for actor, option, its in zip(question.actors, answer.options, cores, strict=True)
        }
        retile(op, blobs, lambda actor: tilings[actor.output])
        place_sources(op)
        claim(
            op,
            "partition",
            objective=self.objective,
            bottleneck=answer.bottleneck,
            bound=answer.bound,
            crossing=answer.crossing,
            cores=answer.cores_used,
            seed=self.seed,
        )


def fit_of_module(module: ModuleOp, context: CompilerContext, tiling: str) -> Fit:
    """What the layers of a module need of the target, whether it fits or not."""
    question = Question.of(module, Blobs(module, context.store), context.target, tiling)
    return explain(question.layers, question.machine)


@dataclass(frozen=True)
class Question:
    """What the solver is asked: the layers of a module, in program order."""

    actors: tuple[token.ActorOp, ...]
    layers: tuple[Layer, ...]
    flows: tuple[Flow, ...]
    machine: Machine

    @classmethod
    def of(cls, module: ModuleOp, blobs: Blobs, target: Target, tiling: str) -> "Question":
        """The question of a module whose layers are not cut yet."""
        estimator = Estimator(blobs, target)
        load = Load(blobs, target, packet_format(module))
        layouts = Layouts(
            blobs, estimator, load, lines=tiling == "both", most_tiles=min(64, target.cores)
        )
        more = replace(layouts, most_tiles=UNLIMITED)  # on a larger chip
        actors = tuple(o for o in module.body.ops if isinstance(o, token.ActorOp))
        groups = joined(actors)
        layers = []
        for actor in actors:
            options = layouts.of(actor, actor.output in groups)
            # The solver refuses the others, and says why.
            options = options or more.of(actor, actor.output in groups) or (more.smallest(actor),)
            layers.append(Layer(actor.layer.data, options, groups.get(actor.output)))
        layers = with_common_cuts(layers)
        number: dict[SSAValue, int] = {actor.output: i for i, actor in enumerate(actors)}
        flows = [
            Flow(number[value], sink, load.flits(actors[number[value]]))
            for sink, actor in enumerate(actors)
            for value in dict.fromkeys(actor.inputs)
            if value in number
        ]
        return cls(actors, tuple(layers), tuple(flows), machine(target, layouts))


def with_common_cuts(layers: list[Layer]) -> list[Layer]:
    """The layers without the groups that no number of bands suits."""
    shared: dict[int, set[int]] = {}
    for layer in layers:
        if layer.group is not None:
            bands = {o.row_tiles for o in layer.options}
            shared[layer.group] = shared.get(layer.group, bands) & bands
    return [
        layer if layer.group is None or shared[layer.group] else replace(layer, group=None)
        for layer in layers
    ]


def machine(target: Target, layouts: Layouts) -> Machine:
    """The cores of a target."""
    return Machine(
        cores=target.cores,
        room=layouts.room,
        circuits=target.circuits_per_pe,
        sharing=cast(Literal["time", "space"], target.circuit_sharing),
    )


def joined(actors: tuple[token.ActorOp, ...]) -> dict[SSAValue, int]:
    """Layers that residual joins tie together, by the number of their group.

    A join adds line to line: cut alike, each of its tiles reads one tile of the other branch.
    """
    parent: dict[SSAValue, SSAValue] = {}

    def root(value: SSAValue) -> SSAValue:
        while parent.setdefault(value, value) is not value:
            value = parent[value]
        return value

    for actor in actors:
        for value, step in zip(actor.inputs, list(actor.body.block.ops)[:-1], strict=True):
            if not isinstance(step, token.AddOp) or not isinstance(value.owner, token.ActorOp):
                continue
            inner, outer = step.map.sizes
            # Tokens have no halos: any range of them may as well be read from several tiles.
            if inner == outer and inner[1] > 1:
                parent[root(value)] = root(actor.output)
    roots = {value: root(value) for value in parent}
    numbers = {r: n for n, r in enumerate(dict.fromkeys(roots.values()))}
    return {value: numbers[r] for value, r in roots.items()}


def whole(actor: token.ActorOp) -> Tiling:
    """A layer in one tile."""
    lines = lines_of(actor)
    return Tiling([(0, actor.total.value.data)], [(0, lines[2] if lines else 1)])


def tiling_of(actor: token.ActorOp, option: Option, cores: list[int], blobs: Blobs) -> Tiling:
    """The cuts of a layer that an option stands for."""
    lines = lines_of(actor)
    return Tiling(
        columns=parts(actor.total.value.data, group_size(actor, blobs), option.column_tiles),
        lines=cuts(lines[2] if lines else 1, option.row_tiles),
        pes=(option.pe_columns, option.pe_rows),
        cores=cores,
    )


def place_sources(module: ModuleOp) -> None:
    """Let every source live with the first of its readers."""
    for op in module.body.ops:
        if isinstance(op, token.SourceOp):
            readers = [u.operation for u in op.output.uses]
            cores = [
                r.core.value.data
                for r in readers
                if isinstance(r, token.ActorOp) and r.core is not None
            ]
            op.core = int_attr(min(cores, default=0))
