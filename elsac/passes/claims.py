"""What passes claim of the mapping that they made, as `token.claim`."""

from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import Attribute
from xdsl.rewriter import InsertPoint, Rewriter

from elsac.dialects import token


def claim(module: ModuleOp, subject: str, **figures: Attribute | int | str) -> None:
    """Write down what a pass claims, in place of an older claim of the same subject."""
    old = claimed(module, subject)
    if old is not None:
        Rewriter.erase_op(old)
    Rewriter.insert_op(token.ClaimOp(subject, figures), InsertPoint.at_end(module.body.block))


def claimed(module: ModuleOp, subject: str) -> token.ClaimOp | None:
    """The claim of a subject, if there is one."""
    for op in module.body.ops:
        if isinstance(op, token.ClaimOp) and op.subject.data == subject:
            return op
    return None
