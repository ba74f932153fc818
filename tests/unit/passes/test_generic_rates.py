"""How often neurons are taken to spike where no profile says it."""

from elsac.dialects import token
from elsac.passes.estimate_load import GENERIC
from tests.unit.passes.test_attention_mappings import actors, lowered, quick


def test_layers_move_as_long_as_the_softmaxes_before_them() -> None:
    """Layers behind a norm settle later with each softmax on their way, those of curves send half;
    all others have the rates of convolutional networks.
    """
    module, _ = lowered(quick(), "estimate-load")
    steps: dict[int, int] = {}
    passed: dict[object, int] = {}
    for actor in actors(module):
        end, rates = actor.body.block.last_op, token.rates(actor.rates)
        before = [passed[value] for value in actor.inputs if value in passed]
        if not before and not isinstance(end, token.RowFunction):
            assert rates == GENERIC
            continue
        depth = passed[actor.output] = max(before, default=0) + isinstance(end, token.SoftmaxOp)
        assert steps.setdefault(depth, len(rates)) == len(rates)
        assert max(rates) == (0.25 if isinstance(end, token.CurveOp) else 0.5)
        assert list(rates) == sorted(rates, reverse=True) and rates[-1] > 0
    assert sorted(steps) == [0, 1] and steps[0] < steps[1]
