// RUN: not %elsac-opt %s -p check-blobs 2>&1 | filecheck %s

// One offset a channel needs two axes behind.

net.blob @c : tensor<2x!net.rational> rationals ["1", "2"]
net.blob @o : tensor<!net.rational> rationals ["0"]
%x = "test.op"() : () -> !qann.real<2x3x3>
%y = qann.affine %x by [@o] plus @c : !qann.real<2x3x3> -> !qann.real<2x3x3> loc("conv1")

// CHECK: elsac-opt: node 'conv1' (qann.affine): offset @c has the shape [2], not one for [2, 3, 3]
