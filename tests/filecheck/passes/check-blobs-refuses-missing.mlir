// RUN: not %elsac-opt %s -p check-blobs 2>&1 | filecheck %s

// A name that no blob declares.

%x = "test.op"() : () -> !qann.tensor<2 in 0 to 15 by "1">
%y = qann.matmul %x weight @w : !qann.tensor<2 in 0 to 15 by "1"> -> !qann.real<2> loc("fc")

// CHECK: elsac-opt: node 'fc' (qann.matmul): no net.blob @w is declared
