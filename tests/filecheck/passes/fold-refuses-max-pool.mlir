// RUN: not %elsac-opt %s -p fold 2>&1 | filecheck %s

// The maximum of numbers that are then negated is no maximum of the negated numbers, so this max-pool
// cannot move behind the quantizer. It needs one of its own.

net.blob @minus_one : tensor<!net.rational> rationals ["-1"]
%x = qann.input "x" zero 0 as "INT4" : !qann.tensor<1x2x2 in -8 to 7 by "1">
%real = qann.dequantize %x : !qann.tensor<1x2x2 in -8 to 7 by "1"> -> !qann.real<1x2x2>
%max = qann.max_pool %real window <kernel [2, 2]> : !qann.real<1x2x2> -> !qann.real<1x1x1> loc("pool1")
%negated = qann.scale %max by @minus_one : !qann.real<1x1x1> -> !qann.real<1x1x1>
%a = qann.quantize %negated : !qann.real<1x1x1> -> !qann.tensor<1x1x1 in -8 to 7 by "1">
qann.output "a" %a zero 0 as "INT4" : !qann.tensor<1x1x1 in -8 to 7 by "1">

// CHECK: elsac-opt: node 'pool1' (qann.max_pool): missing quantizer: its scale has a sign or changes over the map; add a QuantizeLinear/DequantizeLinear pair after it
