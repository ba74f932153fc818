// RUN: not %elsac-opt %s -p check-blobs 2>&1 | filecheck %s

// The class of absent elements is one for all rows, or one for each.

net.blob @exps : tensor<2xi64> ints [16, 6]
net.blob @absent : tensor<2x3xi8> ints [0, 0, 1, 0, 1, 1]
%x = "test.op"() : () -> !spiking.current<4x3>
%y = spiking.softmax %x exps @exps scale 1 shift 2 without @absent : !spiking.current<4x3> -> !spiking.train<4x3 in 0 to 3>

// CHECK: (spiking.softmax): absent @absent has the shape [2, 3], expected [4, 3]
