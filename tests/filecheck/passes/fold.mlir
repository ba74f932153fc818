// RUN: %elsac-opt %s --split-input-file -p fold | filecheck %s

// All that is real-valued between a linear op and its quantizer is a scale, an offset and a clip:
// y = clip(factor * x + offset, lo, hi). Here y = 2 * clip(sum / 8 + 1, 0, 6) in the first channel.

net.blob @w : tensor<2x1x1x1xi8> ints [3, -5]
net.blob @weight_scale : tensor<2x1x1x!net.rational> rationals ["1/8", "1/4"]
net.blob @bias : tensor<2x1x1x!net.rational> rationals ["1", "-1"]
net.blob @two : tensor<!net.rational> rationals ["2"]
%x = qann.input "x" zero 0 as "UINT4" : !qann.tensor<1x2x2 in 0 to 15 by "1/2">
%sum = qann.conv %x weight @w window <kernel [1, 1]> groups 1 : !qann.tensor<1x2x2 in 0 to 15 by "1/2"> -> !qann.real<2x2x2>
%scaled = qann.scale %sum by @weight_scale : !qann.real<2x2x2> -> !qann.real<2x2x2>
%biased = qann.offset %scaled by @bias : !qann.real<2x2x2> -> !qann.real<2x2x2>
%relu6 = qann.clip %biased from "0" to "6" : !qann.real<2x2x2> -> !qann.real<2x2x2>
%twice = qann.scale %relu6 by @two : !qann.real<2x2x2> -> !qann.real<2x2x2>
%a = qann.quantize %twice : !qann.real<2x2x2> -> !qann.tensor<2x2x2 in 0 to 15 by "1">
qann.output "a" %a zero 0 as "UINT4" : !qann.tensor<2x2x2 in 0 to 15 by "1">

// The old constants are gone, the new ones are named after the quantizer.
// CHECK-LABEL: builtin.module
// CHECK-NOT:  @bias
// CHECK-DAG:  net.blob @a_factor : tensor<2x1x1x!net.rational> rationals ["1/4", "1/2"]
// CHECK-DAG:  net.blob @a_offset : tensor<2x1x1x!net.rational> rationals ["2", "-2"]
// CHECK-DAG:  net.blob @a_lo : tensor<1x!net.rational> rationals ["0"]
// CHECK-DAG:  net.blob @a_hi : tensor<1x!net.rational> rationals ["12"]
// CHECK:      %sum = qann.conv
// CHECK-NEXT: [[AFFINE:%\d+]] = qann.affine %sum by [@a_factor] plus @a_offset from @a_lo to @a_hi
// CHECK-NEXT: %a = qann.quantize [[AFFINE]]
// CHECK-NEXT: qann.output "a" %a

// -----

// A negative factor turns a clip around: its upper bound becomes the lower one, channel by channel.

net.blob @gamma : tensor<2x1x1x!net.rational> rationals ["-1/2", "1/3"]
net.blob @beta : tensor<2x1x1x!net.rational> rationals ["0", "5"]
%x = qann.input "x" zero 0 as "UINT4" : !qann.tensor<2x1x1 in 0 to 15 by "1">
%real = qann.dequantize %x : !qann.tensor<2x1x1 in 0 to 15 by "1"> -> !qann.real<2x1x1>
%relu6 = qann.clip %real from "0" to "6" : !qann.real<2x1x1> -> !qann.real<2x1x1>
%scaled = qann.scale %relu6 by @gamma : !qann.real<2x1x1> -> !qann.real<2x1x1>
%normal = qann.offset %scaled by @beta : !qann.real<2x1x1> -> !qann.real<2x1x1>
%flipped = qann.quantize %normal : !qann.real<2x1x1> -> !qann.tensor<2x1x1 in -8 to 7 by "1">
qann.output "flipped" %flipped zero 0 as "INT4" : !qann.tensor<2x1x1 in -8 to 7 by "1">

// CHECK-LABEL: builtin.module
// CHECK-DAG:   @flipped_factor : tensor<2x1x1x!net.rational> rationals ["-1/2", "1/3"]
// CHECK-DAG:   @flipped_offset : tensor<2x1x1x!net.rational> rationals ["0", "5"]
// CHECK-DAG:   @flipped_lo : tensor<2x1x1x!net.rational> rationals ["-3", "5"]
// CHECK-DAG:   @flipped_hi : tensor<2x1x1x!net.rational> rationals ["0", "7"]

// -----

// A Relu there is an upper bound in one channel and a lower one in the other. Where a channel has none,
// one level outside of what the quantizer can give stands for infinity: -9 and 8 for -8..7.

net.blob @gamma : tensor<2x1x1x!net.rational> rationals ["-1/2", "1/3"]
%x = qann.input "x" zero 0 as "UINT4" : !qann.tensor<2x1x1 in 0 to 15 by "1">
%real = qann.dequantize %x : !qann.tensor<2x1x1 in 0 to 15 by "1"> -> !qann.real<2x1x1>
%relu = qann.clip %real from "1" : !qann.real<2x1x1> -> !qann.real<2x1x1>
%scaled = qann.scale %relu by @gamma : !qann.real<2x1x1> -> !qann.real<2x1x1>
%half = qann.quantize %scaled : !qann.real<2x1x1> -> !qann.tensor<2x1x1 in -8 to 7 by "1">
qann.output "half" %half zero 0 as "INT4" : !qann.tensor<2x1x1 in -8 to 7 by "1">

// CHECK-LABEL: builtin.module
// CHECK-DAG:   @half_lo : tensor<2x1x1x!net.rational> rationals ["-9", "1/3"]
// CHECK-DAG:   @half_hi : tensor<2x1x1x!net.rational> rationals ["-1/2", "8"]

// -----

// A residual sum is one affine form of all its branches, an input that occurs twice counts twice. The
// Relu inside of it is not linear, but it is a tensor of integers again: it gets neurons of its own.

net.blob @half : tensor<!net.rational> rationals ["1/2"]
net.blob @one : tensor<!net.rational> rationals ["1"]
%x = qann.input "x" zero 0 as "INT4" : !qann.tensor<2 in -8 to 7 by "1/3">
%y = qann.input "y" zero 0 as "INT4" : !qann.tensor<2 in -8 to 7 by "1/5">
%rx = qann.dequantize %x : !qann.tensor<2 in -8 to 7 by "1/3"> -> !qann.real<2>
%ry = qann.dequantize %y : !qann.tensor<2 in -8 to 7 by "1/5"> -> !qann.real<2>
%relu = qann.clip %rx from "0" : !qann.real<2> -> !qann.real<2>
%shifted = qann.offset %ry by @one : !qann.real<2> -> !qann.real<2>
%sum = qann.add %relu, %shifted, %shifted : !qann.real<2>, !qann.real<2>, !qann.real<2> -> !qann.real<2>
%mean = qann.scale %sum by @half : !qann.real<2> -> !qann.real<2>
%b = qann.quantize %mean : !qann.real<2> -> !qann.tensor<2 in -8 to 7 by "1">
qann.output "b" %b zero 0 as "INT4" : !qann.tensor<2 in -8 to 7 by "1">

// CHECK-LABEL: builtin.module
// CHECK-DAG:   @b_factor : tensor<1x!net.rational> rationals ["1"]
// CHECK-DAG:   @b_factor_1 : tensor<1x!net.rational> rationals ["1/2"]
// CHECK-DAG:   @b_offset_1 : tensor<1x!net.rational> rationals ["1"]
// CHECK:       [[RELU:%\d+]] = qann.affine %rx by [@b_factor] plus @b_offset from @b_lo
// CHECK-NEXT:  [[KEPT:%\d+]] = qann.quantize [[RELU]] : !qann.real<2> -> !qann.tensor<2 in -8 to 7 by "1/3">
// CHECK-NEXT:  [[BRANCH:%\d+]] = qann.dequantize [[KEPT]]
// CHECK-NEXT:  [[SUM:%\d+]] = qann.affine [[BRANCH]], %ry by [@b_factor_1, @b_factor] plus @b_offset_1 :
// CHECK-NEXT:  %b = qann.quantize [[SUM]]

// -----

// A quantizer that maps each value of its input to itself disappears. One with fewer levels stays.

%x = qann.input "x" zero 0 as "UINT4" : !qann.tensor<2 in 0 to 15 by "1/3">
%real = qann.dequantize %x : !qann.tensor<2 in 0 to 15 by "1/3"> -> !qann.real<2>
%same = qann.quantize %real : !qann.real<2> -> !qann.tensor<2 in 0 to 15 by "1/3">
%again = qann.dequantize %same : !qann.tensor<2 in 0 to 15 by "1/3"> -> !qann.real<2>
%less = qann.quantize %again : !qann.real<2> -> !qann.tensor<2 in 0 to 7 by "1/3">
qann.output "same" %same zero 0 as "UINT4" : !qann.tensor<2 in 0 to 15 by "1/3">
qann.output "less" %less zero 0 as "UINT4" : !qann.tensor<2 in 0 to 7 by "1/3">

// CHECK-LABEL: builtin.module
// CHECK:       [[X:%\w+]] = qann.input "x"
// CHECK-NEXT:  %again = qann.dequantize [[X]]
// CHECK-NEXT:  qann.affine %again
// CHECK-NEXT:  %less = qann.quantize
// CHECK-NEXT:  qann.output "same" [[X]]
// CHECK-NEXT:  qann.output "less" %less

// -----

// Results that are not quantized fold as well: the host multiplies and adds.

net.blob @w : tensor<1x2xi8> ints [1, 2]
net.blob @scale : tensor<2x!net.rational> rationals ["1/8", "1/4"]
net.blob @bias : tensor<2x!net.rational> rationals ["-1", "1"]
%x = qann.input "x" zero 0 as "UINT4" : !qann.tensor<1 in 0 to 15 by "1">
%sum = qann.matmul %x weight @w : !qann.tensor<1 in 0 to 15 by "1"> -> !qann.real<2>
%scaled = qann.scale %sum by @scale : !qann.real<2> -> !qann.real<2>
%logits = qann.offset %scaled by @bias : !qann.real<2> -> !qann.real<2>
qann.output "logits" %logits : !qann.real<2>

// CHECK-LABEL: builtin.module
// CHECK-DAG:   @out_factor : tensor<2x!net.rational> rationals ["1/8", "1/4"]
// CHECK-DAG:   @out_offset : tensor<2x!net.rational> rationals ["-1", "1"]
// CHECK:       [[LOGITS:%\d+]] = qann.affine %sum by [@out_factor] plus @out_offset
// CHECK-NEXT:  qann.output "logits" [[LOGITS]]
