// RUN: not %elsac-opt %s -p check-blobs 2>&1 | filecheck %s

// An element that follows nothing has -1, not no entry.

net.blob @i : tensor<3xi64> ints [0, 1, 2]
%x = "test.op"() : () -> !qann.tensor<4 in 0 to 15 by "1">
%y = qann.index %x at @i for "Reshape" : !qann.tensor<4 in 0 to 15 by "1"> -> !qann.tensor<2x2 in 0 to 15 by "1"> loc("r")

// CHECK: elsac-opt: node 'r' (qann.index): index map @i has 3 entries for 4 elements
