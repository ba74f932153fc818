// RUN: %elsac-opt %s | %elsac-opt | filecheck %s
// RUN: %elsac-opt %s --print-op-generic | %elsac-opt | filecheck %s
// RUN: %elsac-opt %s --print-op-generic | filecheck %s --check-prefix GENERIC

net.blob @w : tensor<4x1x3x3xi8> from "sha256:01"
net.blob @v : tensor<4x2xi8> ints [1, -2, 3, -4, 5, -6, 7, -7]
net.blob @scales : tensor<4x1x1x!net.rational> rationals ["1/3", "1/5", "1/7", "1/9"]
net.blob @zero : tensor<!net.rational> rationals ["0"]
net.blob @six : tensor<!net.rational> rationals ["6"]
net.blob @flat : tensor<4xi64> ints [0, 1, 2, -1]

// The host quantizes the input. Its tracers are S = q - zero; each stands for S * scale. The scale is
// a float of the file, so it is exact as a hexadecimal number.
%image = qann.input "image" zero 3 as "UINT4" : !qann.tensor<2x8x8 in -3 to 12 by "0x1p-4">
// CHECK: %image = qann.input "image" zero 3 as "UINT4" : !qann.tensor<2x8x8 in -3 to 12 by "0x1p-4">
// GENERIC: "qann.input"() <{tensor_name = "image", zero = 3 : i64, element_type = "UINT4"}> : () -> !qann.tensor<2x8x8 in -3 to 12 by "0x1p-4">

// Integers times integers, and nothing is rounded: the result is a real number.
%conv = qann.conv %image weight @w window <kernel [3, 3], stride [2, 2], pads [1, 1, 1, 1]> groups 2 : !qann.tensor<2x8x8 in -3 to 12 by "0x1p-4"> -> !qann.real<4x4x4>
// CHECK: %conv = qann.conv %image weight @w window <kernel [3, 3], stride [2, 2], pads [1, 1, 1, 1]> groups 2 : !qann.tensor<2x8x8 in -3 to 12 by "0x1p-4"> -> !qann.real<4x4x4>
// GENERIC: "qann.conv"(%image) <{weight = @w, window = #net.window<kernel [3, 3], stride [2, 2], pads [1, 1, 1, 1]>, groups = 2 : i64}>

// Weight scales, biases and batch normalization are constants, one per channel here.
%scaled = qann.scale %conv by @scales : !qann.real<4x4x4> -> !qann.real<4x4x4>
// CHECK: %scaled = qann.scale %conv by @scales : !qann.real<4x4x4> -> !qann.real<4x4x4>
// GENERIC: "qann.scale"(%conv) <{by = @scales}>
%biased = qann.offset %scaled by @scales : !qann.real<4x4x4> -> !qann.real<4x4x4>
// CHECK: %biased = qann.offset %scaled by @scales : !qann.real<4x4x4> -> !qann.real<4x4x4>
// GENERIC: "qann.offset"(%scaled) <{by = @scales}>

// Relu and Relu6.
%relu = qann.clip %biased from "0" : !qann.real<4x4x4> -> !qann.real<4x4x4>
// CHECK: %relu = qann.clip %biased from "0" : !qann.real<4x4x4> -> !qann.real<4x4x4>
// GENERIC: "qann.clip"(%biased) <{lo = "0"}>
%relu6 = qann.clip %biased from "0" to "6" : !qann.real<4x4x4> -> !qann.real<4x4x4>
// CHECK: %relu6 = qann.clip %biased from "0" to "6" : !qann.real<4x4x4> -> !qann.real<4x4x4>
%below = qann.clip %biased to "1/3" : !qann.real<4x4x4> -> !qann.real<4x4x4>
// CHECK: %below = qann.clip %biased to "1/3" : !qann.real<4x4x4> -> !qann.real<4x4x4>

// The only op that rounds. Scale and bounds are those of the result.
%a = qann.quantize %relu : !qann.real<4x4x4> -> !qann.tensor<4x4x4 in 0 to 15 by "1/10">
// CHECK: %a = qann.quantize %relu : !qann.real<4x4x4> -> !qann.tensor<4x4x4 in 0 to 15 by "1/10">
// GENERIC: "qann.quantize"(%relu) : (!qann.real<4x4x4>) -> !qann.tensor<4x4x4 in 0 to 15 by "1/10">

// A quantized tensor of the file keeps its name here, for comparisons.
qann.probe "a_quantized" %a zero -8 as "INT4" : !qann.tensor<4x4x4 in 0 to 15 by "1/10">
// CHECK: qann.probe "a_quantized" %a zero -8 as "INT4" : !qann.tensor<4x4x4 in 0 to 15 by "1/10">
// GENERIC: "qann.probe"(%a) <{tensor_name = "a_quantized", zero = -8 : i64, element_type = "INT4"}>

// Pools: an average is a sum, scaled afterwards; a maximum works on tensors and on reals.
%sum = qann.sum_pool %a window <kernel [2, 2], stride [2, 2]> : !qann.tensor<4x4x4 in 0 to 15 by "1/10"> -> !qann.real<4x2x2>
// CHECK: %sum = qann.sum_pool %a window <kernel [2, 2], stride [2, 2]> : !qann.tensor<4x4x4 in 0 to 15 by "1/10"> -> !qann.real<4x2x2>
// GENERIC: "qann.sum_pool"(%a) <{window = #net.window<kernel [2, 2], stride [2, 2]>}>
%max = qann.max_pool %a window <kernel [2, 2], stride [2, 2]> : !qann.tensor<4x4x4 in 0 to 15 by "1/10"> -> !qann.tensor<4x2x2 in 0 to 15 by "1/10">
// CHECK: %max = qann.max_pool %a window <kernel [2, 2], stride [2, 2]> : !qann.tensor<4x4x4 in 0 to 15 by "1/10"> -> !qann.tensor<4x2x2 in 0 to 15 by "1/10">
// GENERIC: "qann.max_pool"(%a) <{window = #net.window<kernel [2, 2], stride [2, 2]>}>
%max_real = qann.max_pool %relu window <kernel [4, 4]> : !qann.real<4x4x4> -> !qann.real<4x1x1>
// CHECK: %max_real = qann.max_pool %relu window <kernel [4, 4]> : !qann.real<4x4x4> -> !qann.real<4x1x1>

// A residual sum adds real numbers of any scale.
%skip = qann.dequantize %max : !qann.tensor<4x2x2 in 0 to 15 by "1/10"> -> !qann.real<4x2x2>
// CHECK: %skip = qann.dequantize %max : !qann.tensor<4x2x2 in 0 to 15 by "1/10"> -> !qann.real<4x2x2>
// GENERIC: "qann.dequantize"(%max)
%residual = qann.add %sum, %skip : !qann.real<4x2x2>, !qann.real<4x2x2> -> !qann.real<4x2x2>
// CHECK: %residual = qann.add %sum, %skip : !qann.real<4x2x2>, !qann.real<4x2x2> -> !qann.real<4x2x2>
// GENERIC: "qann.add"(%sum, %skip)

// Folding turns all of that into one op before each quantizer.
%affine = qann.affine %sum, %skip by [@scales, @six] plus @zero from @zero to @six : !qann.real<4x2x2>, !qann.real<4x2x2> -> !qann.real<4x2x2>
// CHECK: %affine = qann.affine %sum, %skip by [@scales, @six] plus @zero from @zero to @six : !qann.real<4x2x2>, !qann.real<4x2x2> -> !qann.real<4x2x2>
// GENERIC: "qann.affine"(%sum, %skip) <{factors = [@scales, @six], offset = @zero, lo = @zero, hi = @six}>
%linear = qann.affine %sum by [@six] plus @zero : !qann.real<4x2x2> -> !qann.real<4x2x2>
// CHECK: %linear = qann.affine %sum by [@six] plus @zero : !qann.real<4x2x2> -> !qann.real<4x2x2>

// Rearranging costs nothing. An element with index -1 is 0. The reason is for people.
%row = qann.index %max at @flat for "Flatten, Slice, Pad" : !qann.tensor<4x2x2 in 0 to 15 by "1/10"> -> !qann.tensor<4 in 0 to 15 by "1/10">
// CHECK: %row = qann.index %max at @flat for "Flatten, Slice, Pad" : !qann.tensor<4x2x2 in 0 to 15 by "1/10"> -> !qann.tensor<4 in 0 to 15 by "1/10">
// GENERIC: "qann.index"(%max) <{index = @flat, why = "Flatten, Slice, Pad"}>
%both = qann.concat %max, %max axis 2 : !qann.tensor<4x2x2 in 0 to 15 by "1/10">, !qann.tensor<4x2x2 in 0 to 15 by "1/10"> -> !qann.tensor<4x2x4 in 0 to 15 by "1/10">
// CHECK: %both = qann.concat %max, %max axis 2 : !qann.tensor<4x2x2 in 0 to 15 by "1/10">, !qann.tensor<4x2x2 in 0 to 15 by "1/10"> -> !qann.tensor<4x2x4 in 0 to 15 by "1/10">
// GENERIC: "qann.concat"(%max, %max) <{axis = 2 : i64}>

%logits = qann.matmul %row weight @v : !qann.tensor<4 in 0 to 15 by "1/10"> -> !qann.real<2>
// CHECK: %logits = qann.matmul %row weight @v : !qann.tensor<4 in 0 to 15 by "1/10"> -> !qann.real<2>
// GENERIC: "qann.matmul"(%row) <{weight = @v}>

// Results: real numbers as they are, tensors as integers q = S + zero.
qann.output "logits" %logits : !qann.real<2>
// CHECK: qann.output "logits" %logits : !qann.real<2>
// GENERIC: "qann.output"(%logits) <{tensor_name = "logits"}>
qann.output "features" %row zero 0 as "UINT4" : !qann.tensor<4 in 0 to 15 by "1/10">
// CHECK: qann.output "features" %row zero 0 as "UINT4" : !qann.tensor<4 in 0 to 15 by "1/10">
// GENERIC: "qann.output"(%row) <{tensor_name = "features", zero = 0 : i64, element_type = "UINT4"}>
