// RUN: %elsac-opt %s --split-input-file -p fold | filecheck %s

// A quantizer is monotone and works element by element, so it may come first and the max-pool, index
// map or concatenation after it. On the chip these then work on integers.

net.blob @w : tensor<1x1x1x1xi8> ints [3]
net.blob @half : tensor<!net.rational> rationals ["1/2"]
%x = qann.input "x" zero 0 as "UINT4" : !qann.tensor<1x2x2 in 0 to 15 by "1">
%sum = qann.conv %x weight @w window <kernel [1, 1]> groups 1 : !qann.tensor<1x2x2 in 0 to 15 by "1"> -> !qann.real<1x2x2>
%max = qann.max_pool %sum window <kernel [2, 2]> : !qann.real<1x2x2> -> !qann.real<1x1x1>
%scaled = qann.scale %max by @half : !qann.real<1x1x1> -> !qann.real<1x1x1>
%a = qann.quantize %scaled : !qann.real<1x1x1> -> !qann.tensor<1x1x1 in 0 to 15 by "1">
qann.output "a" %a zero 0 as "UINT4" : !qann.tensor<1x1x1 in 0 to 15 by "1">

// CHECK-LABEL: builtin.module
// CHECK:      [[AFFINE:%\d+]] = qann.affine %sum
// CHECK-NEXT: [[MAP:%\d+]] = qann.quantize [[AFFINE]] : !qann.real<1x2x2> -> !qann.tensor<1x2x2 in 0 to 15 by "1">
// CHECK-NEXT: %a = qann.max_pool [[MAP]] window <kernel [2, 2]>
// CHECK-NEXT: qann.output "a" %a

// -----

// The constants of an element move with it: what was added to the last element behind the index map is
// added to the first one before it.

net.blob @backwards : tensor<3xi64> ints [2, 1, 0]
net.blob @offsets : tensor<3x!net.rational> rationals ["10", "20", "30"]
net.blob @w : tensor<1x3xi8> ints [1, 2, 3]
%x = qann.input "x" zero 0 as "UINT4" : !qann.tensor<1 in 0 to 15 by "1">
%sum = qann.matmul %x weight @w : !qann.tensor<1 in 0 to 15 by "1"> -> !qann.real<3>
%turned = qann.index %sum at @backwards for "Slice" : !qann.real<3> -> !qann.real<3>
%offset = qann.offset %turned by @offsets : !qann.real<3> -> !qann.real<3>
%b = qann.quantize %offset : !qann.real<3> -> !qann.tensor<3 in 0 to 255 by "1">
qann.output "b" %b zero 0 as "UINT8" : !qann.tensor<3 in 0 to 255 by "1">

// CHECK-LABEL: builtin.module
// CHECK:       @b_offset : tensor<3x!net.rational> rationals ["30", "20", "10"]
// CHECK:       [[AFFINE:%\d+]] = qann.affine %sum by [@b_factor] plus @b_offset
// CHECK-NEXT:  [[ROW:%\d+]] = qann.quantize [[AFFINE]]
// CHECK-NEXT:  %b = qann.index [[ROW]] at @backwards for "Slice"

// -----

// Padding (index -1) gives 0 before and behind the quantizer, as long as nothing is added to it.

net.blob @padded : tensor<4xi64> ints [-1, 0, 1, -1]
net.blob @minus_half : tensor<!net.rational> rationals ["-1/2"]
net.blob @w : tensor<1x2xi8> ints [1, 2]
%x = qann.input "x" zero 0 as "UINT4" : !qann.tensor<1 in 0 to 15 by "1">
%sum = qann.matmul %x weight @w : !qann.tensor<1 in 0 to 15 by "1"> -> !qann.real<2>
%wide = qann.index %sum at @padded for "Pad" : !qann.real<2> -> !qann.real<4>
%scaled = qann.scale %wide by @minus_half : !qann.real<4> -> !qann.real<4>
%c = qann.quantize %scaled : !qann.real<4> -> !qann.tensor<4 in -8 to 7 by "1">
qann.output "c" %c zero 0 as "INT4" : !qann.tensor<4 in -8 to 7 by "1">

// CHECK-LABEL: builtin.module
// CHECK:       [[ROW:%\d+]] = qann.quantize {{.*}} -> !qann.tensor<2 in -8 to 7 by "1">
// CHECK-NEXT:  %c = qann.index [[ROW]] at @padded for "Pad" : !qann.tensor<2 in -8 to 7 by "1"> -> !qann.tensor<4 in -8 to 7 by "1">

// -----

// Behind a concatenation every branch gets its own quantizer with its own constants. The first branch is
// already of that scale, so it needs none.

net.blob @scales : tensor<3x1x1x!net.rational> rationals ["1", "1/2", "1/3"]
%x = qann.input "x" zero 0 as "UINT4" : !qann.tensor<1x1x1 in 0 to 15 by "1">
%y = qann.input "y" zero 0 as "UINT4" : !qann.tensor<2x1x1 in 0 to 15 by "1/3">
%rx = qann.dequantize %x : !qann.tensor<1x1x1 in 0 to 15 by "1"> -> !qann.real<1x1x1>
%ry = qann.dequantize %y : !qann.tensor<2x1x1 in 0 to 15 by "1/3"> -> !qann.real<2x1x1>
%both = qann.concat %rx, %ry axis 0 : !qann.real<1x1x1>, !qann.real<2x1x1> -> !qann.real<3x1x1>
%scaled = qann.scale %both by @scales : !qann.real<3x1x1> -> !qann.real<3x1x1>
%d = qann.quantize %scaled : !qann.real<3x1x1> -> !qann.tensor<3x1x1 in 0 to 15 by "1">
qann.output "d" %d zero 0 as "UINT4" : !qann.tensor<3x1x1 in 0 to 15 by "1">

// CHECK-LABEL: builtin.module
// CHECK:       @d_factor : tensor<2x1x1x!net.rational> rationals ["1/2", "1/3"]
// CHECK:       [[AFFINE:%\d+]] = qann.affine %ry by [@d_factor]
// CHECK-NEXT:  [[Y:%\d+]] = qann.quantize [[AFFINE]]
// CHECK-NEXT:  %d = qann.concat %x, [[Y]] axis 0
