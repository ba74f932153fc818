// RUN: not %elsac-opt %s -p check-blobs 2>&1 | filecheck %s

// Integers where rationals are needed.

net.blob @c : tensor<2xi8> ints [1, 2]
%x = "test.op"() : () -> !qann.real<2>
%y = qann.scale %x by @c : !qann.real<2> -> !qann.real<2> loc("mul")

// CHECK: elsac-opt: node 'mul' (qann.scale): constant @c has no rationals
