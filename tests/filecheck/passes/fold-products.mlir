// RUN: %elsac-opt %s --split-input-file -p fold-products | filecheck %s

// ONNX splits 2 heads of 2 with Reshape and Transpose, so that each head is a matrix of its own: 3 tokens of
// 4 numbers become 6 rows of 2 (heads below each other), and K is transposed in addition. The products read
// the tensors themselves: head g is columns 2 g and 2 g + 1 of Q, K and V.

net.blob @split : tensor<12xi32> ints [0, 1, 4, 5, 8, 9, 2, 3, 6, 7, 10, 11]
net.blob @turn : tensor<12xi32> ints [0, 4, 8, 1, 5, 9, 2, 6, 10, 3, 7, 11]
net.blob @join : tensor<12xi32> ints [0, 1, 6, 7, 2, 3, 8, 9, 4, 5, 10, 11]
net.blob @cube : tensor<18xi32> ints [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17]
net.blob @one : tensor<1x!net.rational> rationals ["1"]
net.blob @zero : tensor<1x!net.rational> rationals ["0"]
net.blob @columns : tensor<1x4x!net.rational> rationals ["1", "2", "3", "4"]
net.blob @lower : tensor<6x1x!net.rational> rationals ["-1", "-2", "-3", "-1", "-2", "-3"]
%q, %k, %v = "test.op"() : () -> (!qann.tensor<3x4 in -8 to 7 by "1">, !qann.tensor<3x4 in -8 to 7 by "1">, !qann.tensor<3x4 in -8 to 7 by "1">)
%qh = qann.index %q at @split for "Reshape, Transpose" : !qann.tensor<3x4 in -8 to 7 by "1"> -> !qann.tensor<6x2 in -8 to 7 by "1">
%kh = qann.index %k at @turn for "Reshape, Transpose" : !qann.tensor<3x4 in -8 to 7 by "1"> -> !qann.tensor<4x3 in -8 to 7 by "1">
%vh = qann.index %v at @split for "Reshape, Transpose" : !qann.tensor<3x4 in -8 to 7 by "1"> -> !qann.tensor<6x2 in -8 to 7 by "1">
%s = qann.product %qh by %kh as <2 x 3x2x3 left rows right rows out rows> : !qann.tensor<6x2 in -8 to 7 by "1">, !qann.tensor<4x3 in -8 to 7 by "1"> -> !qann.real<6x3>
%a = qann.affine %s by [@one] plus @zero : !qann.real<6x3> -> !qann.real<6x3>
%p = qann.softmax %a : !qann.real<6x3> -> !qann.tensor<6x3 in 0 to 15 by "1/16">

// Reshaped to 2 x 3 x 3 and back: nothing happened, but the ONNX name is that of the cube.
%c = qann.index %p at @cube for "Reshape" : !qann.tensor<6x3 in 0 to 15 by "1/16"> -> !qann.tensor<2x3x3 in 0 to 15 by "1/16">
qann.probe "p" %c zero 0 as "UINT4" : !qann.tensor<2x3x3 in 0 to 15 by "1/16">
%ph = qann.index %c at @cube for "Reshape" : !qann.tensor<2x3x3 in 0 to 15 by "1/16"> -> !qann.tensor<6x3 in 0 to 15 by "1/16">

// The result is quantized head by head, and then joined to 3 tokens of 4. Now it is written there. What the
// quantizer clips to moves along: a bound for each row is one for each row still.
%o = qann.product %ph by %vh as <2 x 3x3x2 left rows right rows out rows> : !qann.tensor<6x3 in 0 to 15 by "1/16">, !qann.tensor<6x2 in -8 to 7 by "1"> -> !qann.real<6x2>
%b = qann.affine %o by [@one] plus @zero from @lower : !qann.real<6x2> -> !qann.real<6x2>
%m = qann.quantize %b : !qann.real<6x2> -> !qann.tensor<6x2 in -8 to 7 by "1">
qann.probe "mix" %m zero 0 as "INT4" : !qann.tensor<6x2 in -8 to 7 by "1">
%joined = qann.index %m at @join for "Transpose, Reshape" : !qann.tensor<6x2 in -8 to 7 by "1"> -> !qann.tensor<3x4 in -8 to 7 by "1">
qann.output "y" %joined zero 0 as "INT4" : !qann.tensor<3x4 in -8 to 7 by "1">

// CHECK-LABEL: builtin.module
// CHECK-DAG:  net.blob [[LOWER:@lower\w*]] : tensor<3x1x!net.rational> rationals ["-1", "-2", "-3"]
// CHECK-DAG:  net.blob [[BACK:@index\w*]] : tensor<12xi32> ints [0, 1, 4, 5, 8, 9, 2, 3, 6, 7, 10, 11]
// CHECK:      %s = qann.product %q by %k as <2 x 3x2x3 left columns right columns transposed out rows>
// CHECK:      %p = qann.softmax
// CHECK-NEXT: %c = qann.index %p at @cube
// CHECK-NEXT: qann.probe "p" %c
// CHECK-NEXT: %o = qann.product %p by %v as <2 x 3x3x2 left rows right columns out columns> : {{.*}} -> !qann.real<3x4>
// CHECK-NEXT: %b = qann.affine %o by [@one] plus @zero from [[LOWER]] : !qann.real<3x4>
// CHECK-NEXT: %m = qann.quantize %b
// CHECK-NEXT: [[HEADS:%\w+]] = qann.index %m at [[BACK]] for "heads"
// CHECK-NEXT: qann.probe "mix" [[HEADS]]
// CHECK:      qann.output "y" %m

// -----

// A map that is no layout of heads stays: here the rows of the left matrix in the wrong order.

net.blob @swap : tensor<4xi32> ints [2, 3, 0, 1]
%a, %b = "test.op"() : () -> (!qann.tensor<2x2 in -8 to 7 by "1">, !qann.tensor<2x2 in -8 to 7 by "1">)
%swapped = qann.index %a at @swap for "Gather" : !qann.tensor<2x2 in -8 to 7 by "1"> -> !qann.tensor<2x2 in -8 to 7 by "1">
%s = qann.product %swapped by %b as <1 x 2x2x2 left rows right rows out rows> : !qann.tensor<2x2 in -8 to 7 by "1">, !qann.tensor<2x2 in -8 to 7 by "1"> -> !qann.real<2x2>
qann.output "s" %s : !qann.real<2x2>

// CHECK-LABEL: builtin.module
// CHECK:       %swapped = qann.index %a at @swap
// CHECK-NEXT:  %s = qann.product %swapped by %b as <1 x 2x2x2 left rows right rows out rows>

// -----

// Keys that are shared by 2 heads (K in 2 columns, repeated) fit no layout either; they are copied.

net.blob @copies : tensor<8xi32> ints [0, 2, 1, 3, 0, 2, 1, 3]
%a, %b = "test.op"() : () -> (!qann.tensor<4x2 in -8 to 7 by "1">, !qann.tensor<2x2 in -8 to 7 by "1">)
%copied = qann.index %b at @copies for "Expand" : !qann.tensor<2x2 in -8 to 7 by "1"> -> !qann.tensor<4x2 in -8 to 7 by "1">
%s = qann.product %a by %copied as <2 x 2x2x2 left rows right rows out rows> : !qann.tensor<4x2 in -8 to 7 by "1">, !qann.tensor<4x2 in -8 to 7 by "1"> -> !qann.real<4x2>
qann.output "s" %s : !qann.real<4x2>

// CHECK-LABEL: builtin.module
// CHECK:       %s = qann.product %a by %copied as <2 x 2x2x2 left rows right rows out rows>
