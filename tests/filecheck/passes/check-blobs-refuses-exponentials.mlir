// RUN: not %elsac-opt %s -p check-blobs 2>&1 | filecheck %s

// The greatest charge of a row has the distance 0: its exponential is in every sum, and no sum may be 0.

net.blob @exps : tensor<2xi64> ints [0, 0]
%x = "test.op"() : () -> !spiking.current<4x3>
%y = spiking.softmax %x exps @exps scale 1 shift 2 : !spiking.current<4x3> -> !spiking.train<4x3 in 0 to 3>

// CHECK: (spiking.softmax): exponentials @exps have no positive first entry, or negative ones
