// RUN: not %elsac-opt %s -p convert-qann-to-spiking 2>&1 | filecheck %s

// A result that is not quantized is one charge. Two branches of different scale would be two.

net.blob @one : tensor<!net.rational> rationals ["1"]
net.blob @zero : tensor<!net.rational> rationals ["0"]
%x = qann.input "x" zero 0 as "INT4" : !qann.tensor<2 in -8 to 7 by "1/3">
%y = qann.input "y" zero 0 as "INT4" : !qann.tensor<2 in -8 to 7 by "1/5">
%rx = qann.dequantize %x : !qann.tensor<2 in -8 to 7 by "1/3"> -> !qann.real<2>
%ry = qann.dequantize %y : !qann.tensor<2 in -8 to 7 by "1/5"> -> !qann.real<2>
%sum = qann.affine %rx, %ry by [@one, @one] plus @zero : !qann.real<2>, !qann.real<2> -> !qann.real<2>
qann.output "sum" %sum : !qann.real<2> loc("add1")

// CHECK: elsac-opt: node 'add1' (qann.output): an output that is the sum of several un-quantized branches; quantize the branches before they are added
