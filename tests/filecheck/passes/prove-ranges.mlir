// RUN: %elsac-opt %s -p prove-ranges | filecheck %s
// RUN: not %elsac-opt %s -p prove-ranges --elsa-target %S/Inputs/narrow.toml 2>&1 | filecheck %s --check-prefix NARROW

// A tracer never leaves its bounds, at no moment of any schedule, so weights times bounds bound the
// charge; and the membrane gets the two's complement width that holds it.

net.blob @w : tensor<3x2xi8> ints [1, 100, -2, 100, 3, -50]
net.blob @factors : tensor<2xi8> ints [7, -1]
net.blob @stairs : tensor<1x1xi64> ints [5]
net.blob @one : tensor<1x!net.rational> rationals ["1"]

%x = spiking.input "x" scale "1" zero 0 as "UINT4" coding bitplane : !spiking.train<3 in 0 to 15>
%y = spiking.input "y" scale "1" zero 8 as "UINT4" coding bitplane : !spiking.train<2 in -8 to 7>

// First channel: 1 and 3 push up, -2 pulls down, -30..60. Second: -750..3000. The widest channel decides.
%sum = spiking.dense %x weight @w : !spiking.train<3 in 0 to 15> -> !spiking.current<2>
%a = spiking.neuron %sum stairs @stairs : !spiking.current<2> -> !spiking.train<2 in 0 to 1> loc("fc1")
// CHECK: %a = spiking.neuron %sum stairs @stairs charge -750 to 3000 bits 13 : !spiking.current<2>

// Signed inputs can push either way, and shifted weights count as what they are: -56..49 and -7..8 here.
%skip = spiking.relay %y by @factors : !spiking.train<2 in -8 to 7> -> !spiking.current<2>
%b = spiking.neuron %skip stairs @stairs : !spiking.current<2> -> !spiking.train<2 in 0 to 1>
// CHECK: %b = spiking.neuron %skip stairs @stairs charge -56 to 49 bits 7 : !spiking.current<2>

// Where currents meet, their ranges add up: -30 * 4 - 56 is not the least here, -750 * 4 - 7 is.
%wide = spiking.dense %x weight @w shift 2 : !spiking.train<3 in 0 to 15> -> !spiking.current<2>
%both = spiking.join %wide, %skip : !spiking.current<2>, !spiking.current<2> -> !spiking.current<2>
spiking.readout "both" %both factor @one offset @one : !spiking.current<2>
// CHECK: spiking.readout "both" %both factor @one offset @one charge -3007 to 12008 bits 15 : !spiking.current<2>

// A pool's window can hold as many tracers as its kernel has places; 4 * -8 just fits into 6 bits.
net.blob @ones : tensor<1xi8> ints [1]
%map = "test.op"() : () -> !spiking.train<1x4x4 in -8 to 7>
%pool = spiking.sum_pool %map by @ones window <kernel [2, 2]> : !spiking.train<1x4x4 in -8 to 7> -> !spiking.current<1x3x3>
net.blob @over : tensor<1x1x1x1xi64> ints [5]
%c = spiking.neuron %pool stairs @over : !spiking.current<1x3x3> -> !spiking.train<1x3x3 in 0 to 1>
// CHECK: %c = spiking.neuron %pool stairs @over charge -32 to 28 bits 6 :

// A chip with narrower membranes than that is refused, never served with a charge that wraps around.
// NARROW: elsac-opt: node 'fc1': its charge can reach -750..3000 and needs membranes of 13 bits; the target 'narrow' has at most 12: use smaller weights or fewer inputs
