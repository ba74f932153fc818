// RUN: not %elsac-opt %s -p dce 2>&1 | filecheck %s

// The driver checks before any pass, as no pass expects blobs that do not fit.

net.blob @w : tensor<4x2x3x3xi8> from "sha256:01"
%x = "test.op"() : () -> !qann.tensor<2x3x3 in 0 to 15 by "1">
%y = qann.conv %x weight @w window <kernel [3, 3]> groups 2 : !qann.tensor<2x3x3 in 0 to 15 by "1"> -> !qann.real<4x1x1> loc("conv1")

// CHECK: elsac-opt: node 'conv1' (qann.conv): weight @w has the shape [4, 2, 3, 3], expected [4, 1, 3, 3]
