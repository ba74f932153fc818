// RUN: %elsac-opt %s --split-input-file --verify-diagnostics --parsing-diagnostics | filecheck %s

// Types

%x = "test.op"() : () -> !qann.tensor<4 in 1 to 15 by "1">
// CHECK: the bounds of a tensor hold 0, the tracer of a silent neuron

// -----

%x = "test.op"() : () -> !qann.tensor<4x0 in 0 to 15 by "1">
// CHECK: a tensor has at least one dimension and none of them is empty

// -----

%x = "test.op"() : () -> !qann.tensor<4 in 0 to 15 by "-1/2">
// CHECK: the scale of a tensor is positive

// -----

%x = "test.op"() : () -> !qann.tensor<4 in 0 to 15 by "tiny">
// CHECK: 'tiny' is no scale: give a hexadecimal float or n/d

// -----

// Names of tensors

%x = qann.input "image" zero 0 as "UINT3" : !qann.tensor<4 in 0 to 7 by "1">
// CHECK: the element type is one of UINT4, INT4, UINT8, INT8

// -----

%x = "test.op"() : () -> !qann.tensor<4 in 0 to 15 by "1">
qann.probe "x" %x zero 0 as "FLOAT" : !qann.tensor<4 in 0 to 15 by "1">
// CHECK: the element type is one of UINT4, INT4, UINT8, INT8

// -----

%x = "test.op"() : () -> !qann.tensor<4 in 0 to 15 by "1">
qann.output "x" %x : !qann.tensor<4 in 0 to 15 by "1">
// CHECK: a tensor leaves with zero and element type, a real without

// -----

%x = "test.op"() : () -> !qann.real<4>
qann.output "x" %x zero 0 as "UINT4" : !qann.real<4>
// CHECK: a tensor leaves with zero and element type, a real without

// -----

// Linear ops

%x = "test.op"() : () -> !qann.tensor<8x8 in 0 to 15 by "1">
%y = qann.conv %x weight @w window <kernel [3, 3]> groups 1 : !qann.tensor<8x8 in 0 to 15 by "1"> -> !qann.real<4x6x6>
// CHECK: a convolution maps (C,H,W) to (C,H,W)

// -----

%x = "test.op"() : () -> !qann.tensor<1x8x8 in 0 to 15 by "1">
%y = qann.conv %x weight @w window <kernel [3, 3]> groups 1 : !qann.tensor<1x8x8 in 0 to 15 by "1"> -> !qann.real<4x8x8>
// CHECK: the window gives a map of (6, 6), the type says (8, 8)

// -----

%x = "test.op"() : () -> !qann.tensor<3x8x8 in 0 to 15 by "1">
%y = qann.conv %x weight @w window <kernel [3, 3]> groups 2 : !qann.tensor<3x8x8 in 0 to 15 by "1"> -> !qann.real<4x6x6>
// CHECK: groups divide the input and the output channels

// -----

%x = "test.op"() : () -> !qann.tensor<3x8 in 0 to 15 by "1">
%y = qann.matmul %x weight @w : !qann.tensor<3x8 in 0 to 15 by "1"> -> !qann.real<4x5>
// CHECK: a matmul maps (D) to (E) or (rows, D) to (rows, E)

// -----

%x = "test.op"() : () -> !qann.tensor<3x8x8 in 0 to 15 by "1">
%y = qann.sum_pool %x window <kernel [2, 2]> : !qann.tensor<3x8x8 in 0 to 15 by "1"> -> !qann.real<4x7x7>
// CHECK: a pool maps (C,H,W) to (C, window output)

// -----

%x = "test.op"() : () -> !qann.tensor<3x8 in 0 to 15 by "1">
%y = qann.dequantize %x : !qann.tensor<3x8 in 0 to 15 by "1"> -> !qann.real<24>
// CHECK: dequantize keeps the shape

// -----

// Real numbers

%x = "test.op"() : () -> !qann.real<4>
%y = qann.scale %x by @s : !qann.real<4> -> !qann.real<2x2>
// CHECK: a constant keeps the shape

// -----

%x = "test.op"() : () -> !qann.real<4>
%y = qann.offset %x by @s : !qann.real<4> -> !qann.real<2x2>
// CHECK: a constant keeps the shape

// -----

%x = "test.op"() : () -> !qann.real<4>
%y = qann.clip %x from "zero" : !qann.real<4> -> !qann.real<4>
// CHECK: the bounds of a clip are rationals, n or n/d

// -----

%x = "test.op"() : () -> !qann.real<4>
%y = qann.clip %x from "1" to "1/2" : !qann.real<4> -> !qann.real<4>
// CHECK: the bounds of a clip are in order

// -----

%x = "test.op"() : () -> !qann.real<4>
%y = qann.clip %x from "0" : !qann.real<4> -> !qann.real<5>
// CHECK: a clip keeps the shape

// -----

%x = "test.op"() : () -> !qann.real<4>
%y = qann.add %x, %x : !qann.real<4>, !qann.real<4> -> !qann.real<5>
// CHECK: a sum has at least one input and all have the shape of the output

// -----

%x = "test.op"() : () -> !qann.real<4>
%y = qann.affine %x by [@a, @b] plus @c : !qann.real<4> -> !qann.real<4>
// CHECK: an affine sum has at least one input and one factor for each

// -----

%x = "test.op"() : () -> !qann.real<4>
%y = qann.affine %x by [@a] plus @c : !qann.real<4> -> !qann.real<5>
// CHECK: all inputs have the shape of the output

// -----

%x = "test.op"() : () -> !qann.real<4>
%y = qann.quantize %x : !qann.real<4> -> !qann.tensor<5 in 0 to 15 by "1">
// CHECK: quantize keeps the shape

// -----

// What moves values without computing keeps their kind, scale and bounds.

%x = "test.op"() : () -> !qann.tensor<3x8x8 in 0 to 15 by "1">
%y = qann.max_pool %x window <kernel [2, 2]> : !qann.tensor<3x8x8 in 0 to 15 by "1"> -> !qann.tensor<3x8x8 in 0 to 15 by "1">
// CHECK: a pool maps (C,H,W) to (C, window output)

// -----

%x = "test.op"() : () -> !qann.tensor<4 in 0 to 15 by "1">
%y = qann.index %x at @i for "Reshape" : !qann.tensor<4 in 0 to 15 by "1"> -> !qann.real<4>
// CHECK: input and output are both tensors or both reals

// -----

%x = "test.op"() : () -> !qann.tensor<4 in 0 to 15 by "1">
%y = qann.index %x at @i for "Reshape" : !qann.tensor<4 in 0 to 15 by "1"> -> !qann.tensor<4 in 0 to 15 by "2">
// CHECK: the scale stays the same

// -----

%x = "test.op"() : () -> !qann.tensor<4 in 0 to 15 by "1">
%y = qann.index %x at @i for "Reshape" : !qann.tensor<4 in 0 to 15 by "1"> -> !qann.tensor<4 in 0 to 7 by "1">
// CHECK: the bounds of the output hold those of the inputs

// -----

%x = "test.op"() : () -> !qann.real<2x3>
%y = qann.concat %x, %x axis 2 : !qann.real<2x3>, !qann.real<2x3> -> !qann.real<2x6>
// CHECK: the axis is one of the output's and there is an input

// -----

%x, %y = "test.op"() : () -> (!qann.real<2x3>, !qann.real<3x3>)
%z = qann.concat %x, %y axis 1 : !qann.real<2x3>, !qann.real<3x3> -> !qann.real<2x6>
// CHECK: the inputs agree in every other dimension

// -----

%x = "test.op"() : () -> !qann.real<2x3>
%y = qann.concat %x, %x axis 1 : !qann.real<2x3>, !qann.real<2x3> -> !qann.real<2x7>
// CHECK: the inputs add up to the output along the axis

// -----

%x = "test.op"() : () -> !qann.real<4x0>
// CHECK: a real has at least one dimension and none of them is empty
