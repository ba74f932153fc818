// RUN: not %elsac-opt %s -p check-blobs 2>&1 | filecheck %s

// -1 alone means nothing.

net.blob @i : tensor<2xi64> ints [0, -2]
%x = "test.op"() : () -> !spiking.train<4 in 0 to 3>
spiking.probe "x" %x zero 0 as "UINT4" at @i : !spiking.train<4 in 0 to 3>

// CHECK: elsac-opt: node 'spiking.probe' (spiking.probe): index map @i has entries -2 to 0, expected -1 to 3
