// RUN: %elsac-opt %s --split-input-file --verify-diagnostics --parsing-diagnostics | filecheck %s

%x = "test.op"() : () -> !spiking.train<4 in 1 to 3>
// CHECK: the bounds of a train hold 0, the tracer of a silent neuron

// -----

%x = spiking.input "x" scale "1" zero 0 as "UINT4" coding morse : !spiking.train<4 in 0 to 3>
// CHECK: bitplane

// -----

// Synapses

%x = "test.op"() : () -> !spiking.train<1x8x8 in 0 to 3>
%y = spiking.conv %x weight @w window <kernel [3, 3]> groups 1 : !spiking.train<1x8x8 in 0 to 3> -> !spiking.current<4x8x8>
// CHECK: convolution synapses map (C,H,W) to (C, window output)

// -----

%x = "test.op"() : () -> !spiking.train<3x8x8 in 0 to 3>
%y = spiking.conv %x weight @w window <kernel [3, 3]> groups 2 : !spiking.train<3x8x8 in 0 to 3> -> !spiking.current<4x6x6>
// CHECK: groups divide the input and the output channels

// -----

%x = "test.op"() : () -> !spiking.train<2x8x8 in 0 to 3>
%y = spiking.conv %x weight @w window <kernel [3, 3]> groups 2 shift 32 : !spiking.train<2x8x8 in 0 to 3> -> !spiking.current<4x6x6>
// CHECK: a shift is 0 to 31 bits

// -----

%x = "test.op"() : () -> !spiking.train<3x8 in 0 to 3>
%y = spiking.dense %x weight @w : !spiking.train<3x8 in 0 to 3> -> !spiking.current<4x5>
// CHECK: dense synapses map (D) to (E) or (rows, D) to (rows, E)

// -----

%x = "test.op"() : () -> !spiking.train<8 in 0 to 3>
%y = spiking.dense %x weight @w shift -1 : !spiking.train<8 in 0 to 3> -> !spiking.current<5>
// CHECK: a shift is 0 to 31 bits

// -----

%x = "test.op"() : () -> !spiking.train<3x8x8 in 0 to 3>
%y = spiking.sum_pool %x by @c window <kernel [2, 2]> : !spiking.train<3x8x8 in 0 to 3> -> !spiking.current<4x7x7>
// CHECK: a pool maps (C,H,W) to (C, window output)

// -----

%x = "test.op"() : () -> !spiking.train<3x8 in 0 to 3>
%y = spiking.relay %x by @c : !spiking.train<3x8 in 0 to 3> -> !spiking.current<24>
// CHECK: a relay keeps the shape

// -----

%x, %y = "test.op"() : () -> (!spiking.current<8>, !spiking.current<9>)
%z = spiking.join %x, %y : !spiking.current<8>, !spiking.current<9> -> !spiking.current<8>
// CHECK: all currents of a join have the shape of the output

// -----

// Neurons

%x = "test.op"() : () -> !spiking.current<8>
%y = spiking.neuron %x stairs @t : !spiking.current<8> -> !spiking.train<9 in 0 to 3>
// CHECK: a neuron for every element of the current

// -----

%x = "test.op"() : () -> !spiking.current<8>
%y = "spiking.neuron"(%x) <{stairs = @t, charge_lo = 0 : i64}> : (!spiking.current<8>) -> !spiking.train<8 in 0 to 3>
// CHECK: a proved range has both ends, and a width has a proved range

// -----

%x = "test.op"() : () -> !spiking.current<8>
%y = spiking.neuron %x stairs @t bits 9 : !spiking.current<8> -> !spiking.train<8 in 0 to 3>
// CHECK: a proved range has both ends, and a width has a proved range

// -----

%x = "test.op"() : () -> !spiking.current<8>
%y = spiking.neuron %x stairs @t charge 5 to 4 : !spiking.current<8> -> !spiking.train<8 in 0 to 3>
// CHECK: the ends of a proved range are in order

// -----

// 8 bits end at 127.
%x = "test.op"() : () -> !spiking.current<8>
%y = spiking.neuron %x stairs @t charge -128 to 128 bits 8 : !spiking.current<8> -> !spiking.train<8 in 0 to 3>
// CHECK: the width holds the proved range

// -----

%x = "test.op"() : () -> !spiking.current<8>
%y = spiking.neuron %x stairs @t charge 0 to 0 bits 0 : !spiking.current<8> -> !spiking.train<8 in 0 to 3>
// CHECK: the width holds the proved range

// -----

%x = "test.op"() : () -> !spiking.current<8>
%y = spiking.neuron %x stairs @t alphabet morse : !spiking.current<8> -> !spiking.train<8 in 0 to 3>
// CHECK: ternary

// -----

// What follows tracers

%x = "test.op"() : () -> !spiking.train<3x8x8 in 0 to 3>
%y = spiking.max_pool %x window <kernel [2, 2]> : !spiking.train<3x8x8 in 0 to 3> -> !spiking.train<3x8x8 in 0 to 3>
// CHECK: a pool maps (C,H,W) to (C, window output)

// -----

%x = "test.op"() : () -> !spiking.train<3x8x8 in 0 to 3>
%y = spiking.max_pool %x window <kernel [2, 2]> : !spiking.train<3x8x8 in 0 to 3> -> !spiking.train<3x7x7 in 0 to 2>
// CHECK: a maximum keeps the bounds

// -----

%x = "test.op"() : () -> !spiking.train<4 in 0 to 3>
%y = spiking.index %x at @i for "Reshape" : !spiking.train<4 in 0 to 3> -> !spiking.train<4 in 0 to 2>
// CHECK: an index map keeps the bounds

// -----

%x = "test.op"() : () -> !spiking.train<4 in 0 to 3>
%y = spiking.concat %x, %x axis 1 : !spiking.train<4 in 0 to 3>, !spiking.train<4 in 0 to 3> -> !spiking.train<8 in 0 to 3>
// CHECK: the axis is one of the output's and there is an input

// -----

%x, %y = "test.op"() : () -> (!spiking.train<2x3 in 0 to 3>, !spiking.train<3x3 in 0 to 3>)
%z = spiking.concat %x, %y axis 1 : !spiking.train<2x3 in 0 to 3>, !spiking.train<3x3 in 0 to 3> -> !spiking.train<2x6 in 0 to 3>
// CHECK: the inputs agree in every other dimension

// -----

%x = "test.op"() : () -> !spiking.train<2x3 in 0 to 3>
%y = spiking.concat %x, %x axis 1 : !spiking.train<2x3 in 0 to 3>, !spiking.train<2x3 in 0 to 3> -> !spiking.train<2x7 in 0 to 3>
// CHECK: the inputs add up to the output along the axis

// -----

%x = "test.op"() : () -> !spiking.train<2x3 in -1 to 3>
%y = spiking.concat %x, %x axis 1 : !spiking.train<2x3 in -1 to 3>, !spiking.train<2x3 in -1 to 3> -> !spiking.train<2x6 in 0 to 3>
// CHECK: the bounds of the output hold those of the inputs

// -----

// Results

%x = "test.op"() : () -> !spiking.current<4>
spiking.readout "x" %x zero 0 as "UINT4" : !spiking.current<4>
// CHECK: a current is read with factor and offset, a train with zero and type

// -----

%x = "test.op"() : () -> !spiking.train<4 in 0 to 3>
spiking.readout "x" %x factor @f offset @o : !spiking.train<4 in 0 to 3>
// CHECK: a current is read with factor and offset, a train with zero and type

// -----

%x = "test.op"() : () -> !spiking.current<4>
spiking.readout "x" %x factor @f offset @o charge 0 to 9 bits 4 : !spiking.current<4>
// CHECK: the width holds the proved range

// -----

%x = "test.op"() : () -> !spiking.current<4x0>
// CHECK: a current has at least one dimension and none of them is empty

// -----

%x = "test.op"() : () -> !spiking.train<0 in 0 to 1>
// CHECK: a train has at least one dimension and none of them is empty
