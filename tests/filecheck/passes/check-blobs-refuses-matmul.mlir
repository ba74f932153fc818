// RUN: not %elsac-opt %s -p check-blobs 2>&1 | filecheck %s

// Weights the wrong way round.

net.blob @w : tensor<2x3xi8> ints [1, 2, 3, 4, 5, 6]
%x = "test.op"() : () -> !spiking.train<3 in 0 to 15>
%y = spiking.dense %x weight @w : !spiking.train<3 in 0 to 15> -> !spiking.current<2> loc("fc")

// CHECK: elsac-opt: node 'fc' (spiking.dense): weight @w has the shape [2, 3], expected [3, 2]
