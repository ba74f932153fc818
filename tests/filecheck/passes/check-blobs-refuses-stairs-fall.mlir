// RUN: not %elsac-opt %s -p check-blobs 2>&1 | filecheck %s

// The second neuron would reach its upper level first.

net.blob @t : tensor<2x2xi64> ints [1, 4, 3, 2]
%x = "test.op"() : () -> !spiking.current<2>
%y = spiking.neuron %x stairs @t : !spiking.current<2> -> !spiking.train<2 in 0 to 2>

// CHECK: (spiking.neuron): stairs @t decrease from one level to the next
