// RUN: not %elsac-opt %s -p check-blobs 2>&1 | filecheck %s

// Rationals where integers are needed.

net.blob @w : tensor<1x1x!net.rational> rationals ["1"]
%x = "test.op"() : () -> !qann.tensor<1 in 0 to 15 by "1">
%y = qann.matmul %x weight @w : !qann.tensor<1 in 0 to 15 by "1"> -> !qann.real<1> loc("fc")

// CHECK: elsac-opt: node 'fc' (qann.matmul): weight @w has no integers
