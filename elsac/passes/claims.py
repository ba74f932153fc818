"""What passes claim of the mapping that they made, as `token.claim`."""

from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import Attribute
from xdsl.rewriter import InsertPoint, Rewriter

from elsac.context import CompileError
from elsac.dialects import token

MOST_SEED = 2**31 - 1
"""The greatest seed: solvers count theirs in 32 bits, with a sign."""


def claim(module: ModuleOp, subject: str, **figures: Attribute | int | str) -> None:
    """Write down what a pass claims, in place of an older claim of the same subject."""
    disclaim(module, subject)
    Rewriter.insert_op(token.ClaimOp(subject, figures), InsertPoint.at_end(module.body.block))


def disclaim(module: ModuleOp, *subjects: str) -> None:
    """Take claims back: what they were about has changed."""
    for subject in subjects:
        if (old := claimed(module, subject)) is not None:
            Rewriter.erase_op(old)


def check_seed(name: str, seed: int, effort: int = 0) -> None:
    """Refuse a seed or an effort that the pass `name` does not take."""
    if effort not in (0, 1, 2) or not 0 <= seed <= MOST_SEED:
        raise CompileError(
            f"{name}: expected an effort of 0, 1 or 2 and a seed from 0 to {MOST_SEED}"
        )


def claimed(module: ModuleOp, subject: str) -> token.ClaimOp | None:
    """The claim of a subject, if there is one."""
    for op in module.body.ops:
        if isinstance(op, token.ClaimOp) and op.subject.data == subject:
            return op
    return None
