// RUN: not %elsac-opt %s -p check-blobs 2>&1 | filecheck %s

// A threshold for each level above the lowest.

net.blob @t : tensor<2x2xi64> ints [1, 2, 3, 4]
%x = "test.op"() : () -> !spiking.current<2>
%y = spiking.neuron %x stairs @t : !spiking.current<2> -> !spiking.train<2 in 0 to 3>

// CHECK: (spiking.neuron): stairs @t has the shape [2, 2], not one for the levels and shape [3, 2]
