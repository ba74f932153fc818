// RUN: %elsac-opt %s -p fold | filecheck %s
// RUN: %elsac-opt %s -p fold,fold | filecheck %s

// What is folded stays as it is: text that `elsac compile --emit=qann` wrote may go through the
// whole pipeline again. The bounds of the clip are those of a Relu.

net.blob @w : tensor<2x2xi8> ints [1, 2, 3, 4]
net.blob @s : tensor<1x!net.rational> rationals ["1/2"]
%x = qann.input "x" zero 0 as "UINT4" : !qann.tensor<2 in 0 to 15 by "1">
%sum = qann.matmul %x weight @w : !qann.tensor<2 in 0 to 15 by "1"> -> !qann.real<2>
%scaled = qann.scale %sum by @s : !qann.real<2> -> !qann.real<2>
%relu = qann.clip %scaled from "0" : !qann.real<2> -> !qann.real<2>
%y = qann.quantize %relu : !qann.real<2> -> !qann.tensor<2 in -8 to 7 by "1">
qann.probe "y" %y zero 0 as "INT4" : !qann.tensor<2 in -8 to 7 by "1">

// CHECK:      net.blob @y_factor : tensor<1x!net.rational> rationals ["1/2"]
// CHECK-NEXT: net.blob @y_offset : tensor<1x!net.rational> rationals ["0"]
// CHECK-NEXT: net.blob @y_lo : tensor<1x!net.rational> rationals ["0"]
// CHECK-NEXT: qann.input
// CHECK-NEXT: %sum = qann.matmul
// CHECK-NEXT: %0 = qann.affine %sum by [@y_factor] plus @y_offset from @y_lo
// CHECK-NEXT: %y = qann.quantize %0
// CHECK-NEXT: qann.probe "y" %y
