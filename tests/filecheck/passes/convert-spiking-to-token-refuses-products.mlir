// RUN: not %elsac-opt %s -p convert-spiking-to-token 2>&1 | filecheck %s

// Each of the two products would have delivered tracers of its own; a thread forms one.

net.blob @stairs : tensor<3x1x1xi64> ints [1, 2, 3]
%x = spiking.input "x" scale "1" zero 0 as "UINT4" coding bitplane : !spiking.train<2x2 in 0 to 3>
%a = spiking.multiply %x by %x as <2x2 by 2x2> : !spiking.train<2x2 in 0 to 3>, !spiking.train<2x2 in 0 to 3> -> !spiking.current<2x2> loc("mul1")
%b = spiking.product %x by %x as <1 x 2x2x2 left rows right rows out rows> : !spiking.train<2x2 in 0 to 3>, !spiking.train<2x2 in 0 to 3> -> !spiking.current<2x2> loc("matmul1")
%sum = spiking.join %a, %b : !spiking.current<2x2>, !spiking.current<2x2> -> !spiking.current<2x2>
%y = spiking.neuron %sum stairs @stairs charge 0 to 27 bits 6 : !spiking.current<2x2> -> !spiking.train<2x2 in 0 to 3> loc("quant")
spiking.probe "y" %y zero 0 as "UINT4" : !spiking.train<2x2 in 0 to 3>

// CHECK: node 'matmul1': its product is added to that of 'mul1'; quantize one of them before
