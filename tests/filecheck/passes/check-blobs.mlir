// RUN: %elsac-opt %s -p check-blobs | filecheck %s
// RUN: %elsac-opt %s --split-input-file | filecheck %s

// Every op and the blobs that it names fit each other, so the pass changes nothing. Grouped weights have the
// inputs of one group; constants broadcast as in numpy; an index map may lead nowhere (-1).

net.blob @w : tensor<4x1x3x3xi8> from "sha256:01"
net.blob @v : tensor<4x2xi8> ints [1, -2, 3, -4, 5, -6, 7, -7]
net.blob @scalar : tensor<!net.rational> rationals ["1/3"]
net.blob @channel : tensor<4x1x1x!net.rational> rationals ["1", "2", "3", "4"]
net.blob @flat : tensor<4xi32> ints [3, -1, 1, 0]

%x = qann.input "x" zero 0 as "UINT4" : !qann.tensor<2x3x3 in 0 to 15 by "1">
%conv = qann.conv %x weight @w window <kernel [3, 3]> groups 2 : !qann.tensor<2x3x3 in 0 to 15 by "1"> -> !qann.real<4x1x1>
%scaled = qann.scale %conv by @channel : !qann.real<4x1x1> -> !qann.real<4x1x1>
%moved = qann.offset %scaled by @scalar : !qann.real<4x1x1> -> !qann.real<4x1x1>
%affine = qann.affine %moved by [@channel] plus @scalar from @scalar to @channel : !qann.real<4x1x1> -> !qann.real<4x1x1>
%q = qann.quantize %affine : !qann.real<4x1x1> -> !qann.tensor<4x1x1 in 0 to 15 by "1">
%row = qann.index %q at @flat for "Flatten" : !qann.tensor<4x1x1 in 0 to 15 by "1"> -> !qann.tensor<4 in 0 to 15 by "1">
%y = qann.matmul %row weight @v : !qann.tensor<4 in 0 to 15 by "1"> -> !qann.real<2>
// CHECK: qann.conv %x weight @w
// CHECK: qann.matmul %row weight @v

net.blob @ones : tensor<4xi8> ints [1, 1, 1, 1]
net.blob @stairs : tensor<2x4x1x1xi64> ints [1, 2, 3, 4, 1, 3, 3, 5]
%s = spiking.input "s" scale "1" zero 0 as "UINT4" coding bitplane : !spiking.train<2x3x3 in 0 to 15>
%c = spiking.conv %s weight @w window <kernel [3, 3]> groups 2 : !spiking.train<2x3x3 in 0 to 15> -> !spiking.current<4x1x1>
%n = spiking.neuron %c stairs @stairs : !spiking.current<4x1x1> -> !spiking.train<4x1x1 in 0 to 2>
%r = spiking.relay %n by @ones : !spiking.train<4x1x1 in 0 to 2> -> !spiking.current<4x1x1>
%p = spiking.sum_pool %n by @ones window <kernel [1, 1]> : !spiking.train<4x1x1 in 0 to 2> -> !spiking.current<4x1x1>
%i = spiking.index %n at @flat for "Flatten" : !spiking.train<4x1x1 in 0 to 2> -> !spiking.train<4 in 0 to 2>
%d = spiking.dense %i weight @v : !spiking.train<4 in 0 to 2> -> !spiking.current<2>
spiking.probe "n" %n zero 0 as "UINT4" at @flat : !spiking.train<4x1x1 in 0 to 2>
spiking.readout "d" %d factor @scalar offset @scalar : !spiking.current<2>
// CHECK: spiking.neuron %c stairs @stairs

net.blob @k : tensor<4x2x1x1xi8> ints [1, 2, 3, 4, 5, 6, 7, 8]
net.blob @levels : tensor<1x2x4xi64> ints [1, 2, 3, 4, 5, 6, 7, 8]
net.blob @classes : tensor<3xi32> ints [0, 1, 0]
net.blob @places : tensor<3x4xi32> ints [0, 1, 2, 3, -1, -1, -1, -1, 8, 9, 10, 11]
%t = token.source "t" shape [2, 3, 1] scale "1" zero 0 as "UINT4" coding bitplane : !token.stream<3x2 in 0 to 15>
%low = token.actor "conv" columns 0 to 2 of 4 reads %t : !token.stream<3x2 in 0 to 15> -> !token.stream<3x2 in 0 to 1> {
^bb0(%0: !token.stream<3x2 in 0 to 15>):
  token.accumulate %0 weight @k map <3x1 to 3x1 window <kernel [1, 1]>> groups 1 : !token.stream<3x2 in 0 to 15>
  token.fire stairs @levels classes @classes alphabet ternary bits 9
}
%high = token.actor "skip" columns 2 to 4 of 4 reads %low : !token.stream<3x2 in 0 to 1> -> !token.stream<3x2 in 0 to 0> {
^bb0(%1: !token.stream<3x2 in 0 to 1>):
  token.add %1 from 2 by @ones map <3x1 to 3x1 window <kernel [1, 1]>> : !token.stream<3x2 in 0 to 1>
  token.hold bits 9
}
%turn = token.actor "turn" columns 0 to 4 of 4 reads %low : !token.stream<3x2 in 0 to 1> -> !token.stream<3x4 in 0 to 1> {
^bb0(%2: !token.stream<3x2 in 0 to 1>):
  token.scatter %2 from 2 of 4 at @places : !token.stream<3x2 in 0 to 1>
  token.flow alphabet ternary bits 2
}
token.probe "turn" %turn shape [4, 3, 1] zero 0 as "UINT4" at @places : !token.stream<3x4 in 0 to 1>
// CHECK: token.actor "turn"
