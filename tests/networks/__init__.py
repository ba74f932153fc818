"""Small quantized networks for the tests, built without files or training."""

from tests.networks.builder import (
    CALIBRATION_IMAGES,
    TYPES,
    Array,
    Grid,
    NetworkBuilder,
    images,
    images_for,
    run,
)
from tests.networks.drawn import random_network
from tests.networks.named import (
    concat_upsample,
    float_bias_mlp,
    mobilenet_like,
    power_of_two_cnn,
    qoperator_cnn,
    softmax_tail,
    two_convs_joined,
    unquantized_skip,
)

__all__ = [
    "CALIBRATION_IMAGES",
    "TYPES",
    "Array",
    "Grid",
    "NetworkBuilder",
    "concat_upsample",
    "float_bias_mlp",
    "images",
    "images_for",
    "mobilenet_like",
    "power_of_two_cnn",
    "qoperator_cnn",
    "random_network",
    "run",
    "softmax_tail",
    "two_convs_joined",
    "unquantized_skip",
]
