"""Cores have places on the mesh: one each, and no two the same."""

from elsac.dialects import token
from elsac.passes.verify_mapping.model import Mapping, core_of, name, place_of, refuse
from elsac.targets import Target

AGAIN = "'place-cores'"


def check_places(mapping: Mapping) -> None:
    """Check the place of every node against those of all others."""
    target = mapping.target
    place: dict[int, token.Place] = {}
    core: dict[token.Place, int] = {}
    for node in mapping.nodes:
        here, number = place_of(node), core_of(node)
        if not on_mesh(target, here):
            refuse(
                name(node),
                f"its place {here} is not on the mesh of {target.mesh_width} x "
                f"{target.mesh_height}",
                AGAIN,
            )
        if place.setdefault(number, here) != here:
            refuse(name(node), f"its core {number} is at {here} and at {place[number]}", AGAIN)
        if core.setdefault(here, number) != number:
            refuse(name(node), f"cores {core[here]} and {number} are both at {here}", AGAIN)


def on_mesh(target: Target, place: token.Place) -> bool:
    """Whether the mesh has this place."""
    return 0 <= place[0] < target.mesh_width and 0 <= place[1] < target.mesh_height
