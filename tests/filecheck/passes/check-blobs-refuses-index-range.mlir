// RUN: not %elsac-opt %s -p check-blobs 2>&1 | filecheck %s

// An index map that leaves its input.

net.blob @i : tensor<2xi64> ints [0, 4]
%x = "test.op"() : () -> !spiking.train<4 in 0 to 3>
%y = spiking.index %x at @i for "Slice" : !spiking.train<4 in 0 to 3> -> !spiking.train<2 in 0 to 3> loc("r")

// CHECK: elsac-opt: node 'r' (spiking.index): index map @i has entries 0 to 4, expected -1 to 3
