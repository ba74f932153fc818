// RUN: %elsac-opt %s --split-input-file -p convert-qann-to-spiking | filecheck %s

// A quantizer becomes neurons. Level k is reached at the least charge A with A / 4 >= k - 1/2. Scales that
// are powers of two make ties: A = 2 lies exactly between 0 and 1. It goes to the even one, so level 1
// starts at 3 and not at 2; level 2 starts at 6, its tie with 1.

net.blob @one : tensor<!net.rational> rationals ["1"]
net.blob @zero : tensor<!net.rational> rationals ["0"]
net.blob @w : tensor<1x2xi8> ints [1, 3]
%x = qann.input "x" zero 0 as "UINT4" : !qann.tensor<1 in 0 to 15 by "1">
%sum = qann.matmul %x weight @w : !qann.tensor<1 in 0 to 15 by "1"> -> !qann.real<2>
%affine = qann.affine %sum by [@one] plus @zero : !qann.real<2> -> !qann.real<2>
%a = qann.quantize %affine : !qann.real<2> -> !qann.tensor<2 in 0 to 4 by "4">
qann.probe "a" %a zero 0 as "UINT4" : !qann.tensor<2 in 0 to 4 by "4">

// CHECK-LABEL: builtin.module
// CHECK-DAG:   net.blob @sum_weight : tensor<1x2xi8> ints [1, 3]
// CHECK-DAG:   net.blob @a_stairs : tensor<4x1xi64> ints [3, 6, 11, 14]
// CHECK:       %x = spiking.input "x" scale "1" zero 0 as "UINT4" coding bitplane : !spiking.train<1 in 0 to 15>
// CHECK-NEXT:  %sum = spiking.dense %x weight @sum_weight : !spiking.train<1 in 0 to 15> -> !spiking.current<2>
// CHECK-NEXT:  %a = spiking.neuron %sum stairs @a_stairs : !spiking.current<2> -> !spiking.train<2 in 0 to 4>
// CHECK-NEXT:  spiking.probe "a" %a zero 0 as "UINT4" : !spiking.train<2 in 0 to 4>

// -----

// Neurons fire upward with growing charge. Where the factor of a channel is negative (a batch
// normalization can do that), its weights change their sign. The offset moves the thresholds.

net.blob @factor : tensor<2x!net.rational> rationals ["1/2", "-1/3"]
net.blob @offset : tensor<2x!net.rational> rationals ["1/4", "0"]
net.blob @w : tensor<1x2xi8> ints [1, 3]
%x = qann.input "x" zero 0 as "UINT4" : !qann.tensor<1 in 0 to 15 by "1">
%sum = qann.matmul %x weight @w : !qann.tensor<1 in 0 to 15 by "1"> -> !qann.real<2>
%affine = qann.affine %sum by [@factor] plus @offset : !qann.real<2> -> !qann.real<2>
%b = qann.quantize %affine : !qann.real<2> -> !qann.tensor<2 in -2 to 1 by "1">
qann.probe "b" %b zero 0 as "INT4" : !qann.tensor<2 in -2 to 1 by "1">

// CHECK-LABEL: builtin.module
// CHECK-DAG:   net.blob @sum_weight : tensor<1x2xi8> ints [1, -3]
// CHECK-DAG:   net.blob @b_stairs : tensor<3x2xi64> ints [-3, -4, -1, -1, 1, 2]

// -----

// What a clip keeps out needs no threshold: the bounds of the train become 0 to 2.

net.blob @one : tensor<!net.rational> rationals ["1"]
net.blob @zero : tensor<!net.rational> rationals ["0"]
net.blob @two : tensor<!net.rational> rationals ["2"]
net.blob @w : tensor<1x1xi8> ints [1]
%x = qann.input "x" zero 0 as "INT4" : !qann.tensor<1 in -8 to 7 by "1">
%sum = qann.matmul %x weight @w : !qann.tensor<1 in -8 to 7 by "1"> -> !qann.real<1>
%affine = qann.affine %sum by [@one] plus @zero from @zero to @two: !qann.real<1> -> !qann.real<1>
%c = qann.quantize %affine : !qann.real<1> -> !qann.tensor<1 in -8 to 7 by "1">
qann.probe "c" %c zero 0 as "INT4" : !qann.tensor<1 in -8 to 7 by "1">

// CHECK-LABEL: builtin.module
// CHECK:       net.blob @c_stairs : tensor<2x1xi64> ints [1, 2]
// CHECK:       %c = spiking.neuron {{.*}} -> !spiking.train<1 in 0 to 2>

// -----

// x / 3 - y / 10 in halves, x and y in 0 to 3. The charge 4x - y separates all levels, which the pass proves
// by trying all pairs; multipliers in the exact ratio would be as large as 2**55. Level -2 is out of reach.

net.blob @plus : tensor<!net.rational> rationals ["1"]
net.blob @minus : tensor<!net.rational> rationals ["-1"]
net.blob @zero : tensor<!net.rational> rationals ["0"]
%x = qann.input "x" zero 0 as "UINT4" : !qann.tensor<2 in 0 to 3 by "1/3">
%y = qann.input "y" zero 0 as "UINT4" : !qann.tensor<2 in 0 to 3 by "0x1.999999999999ap-4">
%rx = qann.dequantize %x : !qann.tensor<2 in 0 to 3 by "1/3"> -> !qann.real<2>
%ry = qann.dequantize %y : !qann.tensor<2 in 0 to 3 by "0x1.999999999999ap-4"> -> !qann.real<2>
%affine = qann.affine %rx, %ry by [@plus, @minus] plus @zero : !qann.real<2>, !qann.real<2> -> !qann.real<2>
%d = qann.quantize %affine : !qann.real<2> -> !qann.tensor<2 in -2 to 2 by "1/2">
qann.probe "d" %d zero 0 as "INT4" : !qann.tensor<2 in -2 to 2 by "1/2">

// CHECK-LABEL: builtin.module
// CHECK-DAG:   net.blob @rx_constants : tensor<2xi8> ints [4, 4]
// CHECK-DAG:   net.blob @ry_constants : tensor<2xi8> ints [-1, -1]
// CHECK-DAG:   net.blob @d_stairs : tensor<3x2xi64> ints [-2, -2, 4, 4, 10, 10]
// CHECK:       %rx = spiking.relay %x by @rx_constants
// CHECK-NEXT:  %ry = spiking.relay %y by @ry_constants
// CHECK-NEXT:  [[SUM:%\w+]] = spiking.join %rx, %ry
// CHECK-NEXT:  spiking.neuron [[SUM]] stairs @d_stairs : !spiking.current<2> -> !spiking.train<2 in -1 to 2>

// -----

// A convolution and a skip path whose scales are in the ratio of 1 to 4: the weights stay, the skip path
// counts four times, with the sign of its factor.

net.blob @w : tensor<2x1x1x1xi8> ints [3, -5]
net.blob @quarter : tensor<1x!net.rational> rationals ["1/4"]
net.blob @signs : tensor<2x1x1x!net.rational> rationals ["1", "-1"]
net.blob @zero : tensor<!net.rational> rationals ["0"]
%x = qann.input "x" zero 0 as "UINT4" : !qann.tensor<1x2x2 in 0 to 15 by "1/2">
%y = qann.input "y" zero 0 as "UINT4" : !qann.tensor<2x2x2 in 0 to 15 by "1/2">
%sum = qann.conv %x weight @w window <kernel [1, 1]> groups 1 : !qann.tensor<1x2x2 in 0 to 15 by "1/2"> -> !qann.real<2x2x2>
%skip = qann.dequantize %y : !qann.tensor<2x2x2 in 0 to 15 by "1/2"> -> !qann.real<2x2x2>
%affine = qann.affine %sum, %skip by [@quarter, @signs] plus @zero : !qann.real<2x2x2>, !qann.real<2x2x2> -> !qann.real<2x2x2>
%e = qann.quantize %affine : !qann.real<2x2x2> -> !qann.tensor<2x2x2 in 0 to 3 by "1">
qann.probe "e" %e zero 0 as "UINT4" : !qann.tensor<2x2x2 in 0 to 3 by "1">

// CHECK-LABEL: builtin.module
// CHECK-DAG:   net.blob @sum_weight : tensor<2x1x1x1xi8> ints [3, -5]
// CHECK-DAG:   net.blob @skip_constants : tensor<2xi8> ints [4, -4]
// CHECK-DAG:   net.blob @e_stairs : tensor<3x2x1x1xi64> ints [5, 5, 12, 12, 21, 21]
// CHECK:       %sum = spiking.conv %x weight @sum_weight window <kernel [1, 1]> groups 1 :
// CHECK-NEXT:  %skip = spiking.relay %y by @skip_constants
// CHECK-NEXT:  spiking.join %sum, %skip
