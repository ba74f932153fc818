// RUN: not %elsac-opt %s -p fold 2>&1 | filecheck %s

// The branch of a sum is clipped at 1/2, between two integers of its tensor (thirds). No integers hold
// that exactly, and one neuron for both branches would clip their sum.

%x = qann.input "x" zero 0 as "INT4" : !qann.tensor<2 in -8 to 7 by "1/3">
%y = qann.input "y" zero 0 as "INT4" : !qann.tensor<2 in -8 to 7 by "1/5">
%rx = qann.dequantize %x : !qann.tensor<2 in -8 to 7 by "1/3"> -> !qann.real<2>
%ry = qann.dequantize %y : !qann.tensor<2 in -8 to 7 by "1/5"> -> !qann.real<2>
%clip = qann.clip %rx to "1/2" : !qann.real<2> -> !qann.real<2> loc("clip1")
%sum = qann.add %clip, %ry : !qann.real<2>, !qann.real<2> -> !qann.real<2>
%a = qann.quantize %sum : !qann.real<2> -> !qann.tensor<2 in -8 to 7 by "1">
qann.output "a" %a zero 0 as "INT4" : !qann.tensor<2 in -8 to 7 by "1">

// CHECK: elsac-opt: node 'clip1' (qann.clip): missing quantizer: it is not linear and its result is added to another;
