// RUN: %elsac-opt %s --split-input-file -p fold | filecheck %s

// What leads to a function becomes one affine form, as for a quantizer. Here the scores of attention: 2 heads
// of 3 x 3, reshaped to be scaled, and back for the softmax of their rows. The maps undo each other and go.

net.blob @flat : tensor<18xi32> ints [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17]
net.blob @half : tensor<!net.rational> rationals ["1/2"]
%q, %k = "test.op"() : () -> (!qann.tensor<6x4 in -8 to 7 by "1">, !qann.tensor<8x3 in -8 to 7 by "1">)
%s = qann.product %q by %k as <2 x 3x4x3 left rows right rows out rows> : !qann.tensor<6x4 in -8 to 7 by "1">, !qann.tensor<8x3 in -8 to 7 by "1"> -> !qann.real<6x3>
%cube = qann.index %s at @flat for "Reshape" : !qann.real<6x3> -> !qann.real<2x3x3>
%scaled = qann.scale %cube by @half : !qann.real<2x3x3> -> !qann.real<2x3x3>
%rows = qann.index %scaled at @flat for "Reshape" : !qann.real<2x3x3> -> !qann.real<6x3>
%p = qann.softmax %rows : !qann.real<6x3> -> !qann.tensor<6x3 in 0 to 15 by "1/16">
qann.output "p" %p zero 0 as "UINT4" : !qann.tensor<6x3 in 0 to 15 by "1/16">

// CHECK-LABEL: builtin.module
// CHECK-DAG:   net.blob @p_factor : tensor<1x!net.rational> rationals ["1/2"]
// CHECK:       %s = qann.product
// CHECK-NEXT:  [[A:%\d+]] = qann.affine %s by [@p_factor] plus @p_offset
// CHECK-NEXT:  %p = qann.softmax [[A]] : !qann.real<6x3>
// CHECK-NEXT:  qann.output

// -----

// A map that moves whole rows moves behind the function, and takes the mask along: rows 1 and 0 of the sums.
// What is added to a whole row changes no softmax, and is gone.

net.blob @turn : tensor<4xi32> ints [2, 3, 0, 1]
net.blob @bias : tensor<2x1x!net.rational> rationals ["5", "-1/3"]
net.blob @mask : tensor<2x2xi8> ints [0, 1, 0, 0]
net.blob @w : tensor<2x2xi8> ints [1, 2, 3, 4]
%x = qann.input "x" zero 0 as "INT4" : !qann.tensor<2x2 in -8 to 7 by "1">
%s = qann.matmul %x weight @w : !qann.tensor<2x2 in -8 to 7 by "1"> -> !qann.real<2x2>
%turned = qann.index %s at @turn for "Gather" : !qann.real<2x2> -> !qann.real<2x2>
%biased = qann.offset %turned by @bias : !qann.real<2x2> -> !qann.real<2x2>
%p = qann.softmax %biased without @mask : !qann.real<2x2> -> !qann.tensor<2x2 in 0 to 15 by "1/16">
qann.output "p" %p zero 0 as "UINT4" : !qann.tensor<2x2 in 0 to 15 by "1/16">

// CHECK-LABEL: builtin.module
// CHECK-DAG:   net.blob [[TURN:@index\w*]] : tensor<2x2xi32> ints [2, 3, 0, 1]
// CHECK-DAG:   net.blob [[MASK:@mask_\d]] : tensor<2x2xi8> ints [0, 0, 0, 1]
// CHECK-DAG:   net.blob @p_offset : tensor<1x!net.rational> rationals ["0"]
// CHECK:       [[A:%\d+]] = qann.affine %s by [@p_factor] plus @p_offset
// CHECK-NEXT:  [[P:%\w+]] = qann.softmax [[A]] without [[MASK]] :
// CHECK-NEXT:  %p = qann.index [[P]] at [[TURN]] for "Gather"

// -----

// A curve has a scale and an offset for each channel, and commutes with any map.

net.blob @turn : tensor<4xi32> ints [0, 2, 1, 3]
net.blob @scale : tensor<2x!net.rational> rationals ["1/2", "1/3"]
net.blob @bias : tensor<2x1x!net.rational> rationals ["1", "-1"]
net.blob @w : tensor<2x2xi8> ints [1, 2, 3, 4]
%x = qann.input "x" zero 0 as "INT4" : !qann.tensor<2x2 in -8 to 7 by "1">
%s = qann.matmul %x weight @w : !qann.tensor<2x2 in -8 to 7 by "1"> -> !qann.real<2x2>
%scaled = qann.scale %s by @scale : !qann.real<2x2> -> !qann.real<2x2>
%turned = qann.index %scaled at @turn for "Transpose" : !qann.real<2x2> -> !qann.real<2x2>
%biased = qann.offset %turned by @bias : !qann.real<2x2> -> !qann.real<2x2>
%y = qann.curve "gelu" %biased of [] by "1" plus "0" : !qann.real<2x2> -> !qann.tensor<2x2 in -8 to 7 by "1/4">
qann.output "y" %y zero 0 as "INT4" : !qann.tensor<2x2 in -8 to 7 by "1/4">

// CHECK-LABEL: builtin.module
// CHECK-DAG:   net.blob @y_factor : tensor<2x!net.rational> rationals ["1/2", "1/3"]
// CHECK-DAG:   net.blob @y_offset : tensor<2x!net.rational> rationals ["1", "-1"]
// CHECK:       [[Y:%\w+]] = qann.curve "gelu" {{.*}} -> !qann.tensor<2x2
// CHECK-NEXT:  %y = qann.index [[Y]] at @{{\w+}} for "Transpose"

// -----

// A class token stands in front of the tokens, and each gets its position added: the quantizer takes either
// part by itself, and the numbers that are known now are added now.

net.blob @token : tensor<1x2x!net.rational> rationals ["1/2", "-3"]
net.blob @places : tensor<3x2x!net.rational> rationals ["1/4", "1/4", "1", "2", "3", "4"]
%x = qann.input "x" zero 0 as "INT4" : !qann.tensor<2x2 in -8 to 7 by "1">
%token = qann.constant @token : !qann.real<1x2>
%real = qann.dequantize %x : !qann.tensor<2x2 in -8 to 7 by "1"> -> !qann.real<2x2>
%all = qann.concat %token, %real axis 0 : !qann.real<1x2>, !qann.real<2x2> -> !qann.real<3x2>
%placed = qann.offset %all by @places : !qann.real<3x2> -> !qann.real<3x2>
%y = qann.quantize %placed : !qann.real<3x2> -> !qann.tensor<3x2 in -8 to 7 by "1">
qann.output "y" %y zero 0 as "INT4" : !qann.tensor<3x2 in -8 to 7 by "1">

// CHECK-LABEL: builtin.module
// CHECK-DAG:   net.blob @y_value : tensor<1x2x!net.rational> rationals ["3/4", "-11/4"]
// CHECK-DAG:   net.blob @y_offset : tensor<2x2x!net.rational> rationals ["1", "2", "3", "4"]
// CHECK:       [[TOKEN:%\d+]] = qann.constant @y_value : !qann.real<1x2>
// CHECK-NEXT:  [[FIRST:%\d+]] = qann.quantize [[TOKEN]]
// CHECK:       [[REST:%\d+]] = qann.quantize {{.*}} -> !qann.tensor<2x2
// CHECK-NEXT:  %y = qann.concat [[FIRST]], [[REST]] axis 0

// -----

// An element-wise product of maps is one of rows, with the channels in the columns: 2 channels of 1 x 2 places
// times one number for each channel.

%x = qann.input "x" zero 0 as "INT4" : !qann.tensor<2x1x2 in -8 to 7 by "1">
%g = qann.input "g" zero 0 as "INT4" : !qann.tensor<2x1x1 in -8 to 7 by "1/2">
%s = qann.multiply %x by %g : !qann.tensor<2x1x2 in -8 to 7 by "1">, !qann.tensor<2x1x1 in -8 to 7 by "1/2"> -> !qann.real<2x1x2>
%y = qann.quantize %s : !qann.real<2x1x2> -> !qann.tensor<2x1x2 in -8 to 7 by "1">
qann.output "y" %y zero 0 as "INT4" : !qann.tensor<2x1x2 in -8 to 7 by "1">

// CHECK-LABEL: builtin.module
// CHECK-DAG:   net.blob [[TURN:@rows\w*]] : tensor<4xi32> ints [0, 2, 1, 3]
// CHECK:       [[X:%\d+]] = qann.index %x at [[TURN]] for "rows" : {{.*}} -> !qann.tensor<2x2 in
// CHECK-NEXT:  [[G:%\d+]] = qann.index %g at @{{\w+}} for "rows" : {{.*}} -> !qann.tensor<1x2 in
// CHECK-NEXT:  [[S:%\d+]] = qann.multiply [[X]] by [[G]]
// CHECK:       [[Q:%\d+]] = qann.quantize {{.*}} -> !qann.tensor<2x2 in
// CHECK-NEXT:  %y = qann.index [[Q]] at [[TURN]] for "rows" : {{.*}} -> !qann.tensor<2x1x2 in
