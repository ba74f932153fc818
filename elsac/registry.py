"""Dialects and passes by name. A table of places, resolved when asked, so that a start imports only
what it uses.
"""

from collections.abc import Callable
from importlib import import_module
from typing import Any

DIALECTS = {
    "builtin": "xdsl.dialects.builtin:Builtin",
    "test": "xdsl.dialects.test:Test",
    "net": "elsac.dialects.net:Net",
    "qann": "elsac.dialects.qann:Qann",
    "spiking": "elsac.dialects.spiking:Spiking",
    "token": "elsac.dialects.token:Token",
    "elsa": "elsac.dialects.elsa:Elsa",
}

PASSES = {
    "check-blobs": "elsac.passes.check_blobs:CheckBlobs",
    "fold": "elsac.passes.fold:Fold",
    "fold-products": "elsac.passes.fold_products:FoldProducts",
    "convert-qann-to-spiking": "elsac.passes.convert_qann_to_spiking:ConvertQannToSpiking",
    "fold-index-maps": "elsac.passes.fold_index_maps:FoldIndexMaps",
    "prove-ranges": "elsac.passes.prove_ranges:ProveRanges",
    "convert-spiking-to-token": "elsac.passes.convert_spiking_to_token:ConvertSpikingToToken",
    "order-spines": "elsac.passes.order_spines:OrderSpines",
    "estimate-load": "elsac.passes.estimate_load:EstimateLoad",
    "bundle-packets": "elsac.passes.bundle_packets:BundlePackets",
    "tile-columns": "elsac.passes.tile_columns:TileColumns",
    "assign-cores": "elsac.passes.assign_cores:AssignCores",
    "partition": "elsac.passes.partition:Partition",
    "tile-sources": "elsac.passes.tile_sources:TileSources",
    "place-cores": "elsac.passes.place_cores:PlaceCores",
    "route-streams": "elsac.passes.route_streams:RouteStreams",
    "allocate-memory": "elsac.passes.allocate_memory:AllocateMemory",
    "verify-mapping": "elsac.passes.verify_mapping:VerifyMapping",
    "convert-token-to-elsa": "elsac.passes.convert_token_to_elsa:ConvertTokenToElsa",
    "canonicalize": "xdsl.transforms.canonicalize:CanonicalizePass",
    "dce": "xdsl.transforms.dead_code_elimination:DeadCodeElimination",
}


def resolver(place: str) -> Callable[[], Any]:
    """A factory that imports `module:name` when called."""

    def resolve() -> Any:
        module, name = place.split(":")
        return getattr(import_module(module), name)

    return resolve


def dialect_factories() -> dict[str, Callable[[], Any]]:
    """Factories of all dialects."""
    return {name: resolver(place) for name, place in DIALECTS.items()}


def pass_factories() -> dict[str, Callable[[], Any]]:
    """Factories of all passes."""
    return {name: resolver(place) for name, place in PASSES.items()}
