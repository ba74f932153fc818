// RUN: not %elsac-opt %s -p convert-spiking-to-token 2>&1 | filecheck %s

// A membrane has a width, and only a proof gives one.

net.blob @ones : tensor<1xi8> ints [1]
net.blob @stairs : tensor<1x1xi64> ints [1]
%x = spiking.input "x" scale "1" zero 0 as "UINT4" coding bitplane : !spiking.train<1 in 0 to 3>
%sum = spiking.relay %x by @ones : !spiking.train<1 in 0 to 3> -> !spiking.current<1>
%a = spiking.neuron %sum stairs @stairs : !spiking.current<1> -> !spiking.train<1 in 0 to 1>
spiking.probe "a" %a zero 0 as "UINT4" : !spiking.train<1 in 0 to 1>

// CHECK: elsac-opt: convert-spiking-to-token: run the pass 'prove-ranges' before
