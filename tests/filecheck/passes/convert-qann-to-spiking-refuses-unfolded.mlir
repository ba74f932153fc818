// RUN: not %elsac-opt %s -p convert-qann-to-spiking 2>&1 | filecheck %s

// The pass takes what `fold` leaves; a scale of its own is not folded.

net.blob @half : tensor<!net.rational> rationals ["1/2"]
%x = qann.input "x" zero 0 as "INT4" : !qann.tensor<2 in -8 to 7 by "1">
%real = qann.dequantize %x : !qann.tensor<2 in -8 to 7 by "1"> -> !qann.real<2>
%scaled = qann.scale %real by @half : !qann.real<2> -> !qann.real<2> loc("mul1")
%a = qann.quantize %scaled : !qann.real<2> -> !qann.tensor<2 in -8 to 7 by "1">
qann.probe "a" %a zero 0 as "INT4" : !qann.tensor<2 in -8 to 7 by "1">

// CHECK: elsac-opt: node 'mul1' (qann.scale): not folded; run the pass 'fold' before
