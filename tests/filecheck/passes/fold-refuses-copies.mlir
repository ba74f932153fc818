// RUN: not %elsac-opt %s -p fold 2>&1 | filecheck %s

// One element in two places, scaled differently in each: no quantizer before the copy serves both.

net.blob @twice : tensor<2xi64> ints [0, 0]
net.blob @scales : tensor<2x!net.rational> rationals ["1", "2"]
%x = qann.input "x" zero 0 as "INT4" : !qann.tensor<1 in -8 to 7 by "1">
%real = qann.dequantize %x : !qann.tensor<1 in -8 to 7 by "1"> -> !qann.real<1>
%copies = qann.index %real at @twice for "Resize" : !qann.real<1> -> !qann.real<2> loc("resize1")
%scaled = qann.scale %copies by @scales : !qann.real<2> -> !qann.real<2>
%a = qann.quantize %scaled : !qann.real<2> -> !qann.tensor<2 in -8 to 7 by "1">
qann.output "a" %a zero 0 as "INT4" : !qann.tensor<2 in -8 to 7 by "1">

// CHECK: elsac-opt: node 'resize1' (qann.index): missing quantizer: copies of one element are scaled differently;
