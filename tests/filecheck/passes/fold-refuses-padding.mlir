// RUN: not %elsac-opt %s -p fold 2>&1 | filecheck %s

// What is padded with 0 and then moved by 1 would need a padding of 1 on integers.

net.blob @padded : tensor<3xi64> ints [0, 1, -1]
net.blob @one : tensor<!net.rational> rationals ["1"]
%x = qann.input "x" zero 0 as "INT4" : !qann.tensor<2 in -8 to 7 by "1">
%real = qann.dequantize %x : !qann.tensor<2 in -8 to 7 by "1"> -> !qann.real<2>
%wide = qann.index %real at @padded for "Pad" : !qann.real<2> -> !qann.real<3> loc("pad1")
%moved = qann.offset %wide by @one : !qann.real<3> -> !qann.real<3>
%a = qann.quantize %moved : !qann.real<3> -> !qann.tensor<3 in -8 to 7 by "1">
qann.output "a" %a zero 0 as "INT4" : !qann.tensor<3 in -8 to 7 by "1">

// CHECK: elsac-opt: node 'pad1' (qann.index): missing quantizer: padding is followed by an offset;
