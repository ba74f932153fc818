// RUN: %elsac-opt %s -p assign-cores | filecheck %s
// RUN: %elsac-opt %s -p assign-cores --elsa-target %S/Inputs/pair.toml | filecheck %s --check-prefix PAIR
// RUN: not %elsac-opt %s -p assign-cores --elsa-target %S/Inputs/pair-small.toml 2>&1 | filecheck %s --check-prefix SMALL

// While there are cores, every actor gets one of its own. On a chip with two, neighbours share one: the
// pair that is smallest together, here the second and the third (2 bytes of weights each, 3 the first).
// If no pair fits, the message says which layer is largest and which chip would do.

net.blob @large : tensor<1x4x1x1xi8> ints [15, -16, 15, -16]
net.blob @small : tensor<1x2x1x1xi8> ints [15, -16]
net.blob @one : tensor<1x!net.rational> rationals ["1"]

// A source lives with its first reader.
%x = token.source "x" shape [4] scale "1" zero 0 as "UINT4" coding bitplane : !token.stream<1x4 in 0 to 15>
%y = token.source "y" shape [2] scale "1" zero 0 as "UINT4" coding bitplane : !token.stream<1x2 in 0 to 15>
// CHECK: token.source "x" {{.*}} core 0 :
// CHECK: token.source "y" {{.*}} core 1 :
// PAIR:  token.source "x" {{.*}} core 0 :
// PAIR:  token.source "y" {{.*}} core 1 :

%a = token.actor "first" columns 0 to 1 of 1 reads %x : !token.stream<1x4 in 0 to 15> -> !token.stream<1x1 in 0 to 0> {
^bb0(%0: !token.stream<1x4 in 0 to 15>):
  token.accumulate %0 weight @large map <1x1 to 1x1 window <kernel [1, 1]>> groups 1 : !token.stream<1x4 in 0 to 15>
  token.hold bits 9
}
// CHECK: token.actor "first" {{.*}} core 0 :
// PAIR:  token.actor "first" {{.*}} core 0 :

%b = token.actor "second" columns 0 to 1 of 1 reads %y : !token.stream<1x2 in 0 to 15> -> !token.stream<1x1 in 0 to 0> {
^bb0(%1: !token.stream<1x2 in 0 to 15>):
  token.accumulate %1 weight @small map <1x1 to 1x1 window <kernel [1, 1]>> groups 1 : !token.stream<1x2 in 0 to 15>
  token.hold bits 9
}
// CHECK: token.actor "second" {{.*}} core 1 :
// PAIR:  token.actor "second" {{.*}} core 1 :

%c = token.actor "third" columns 0 to 1 of 1 reads %y : !token.stream<1x2 in 0 to 15> -> !token.stream<1x1 in 0 to 0> {
^bb0(%2: !token.stream<1x2 in 0 to 15>):
  token.accumulate %2 weight @small map <1x1 to 1x1 window <kernel [1, 1]>> groups 1 : !token.stream<1x2 in 0 to 15>
  token.hold bits 9
}
// CHECK: token.actor "third" {{.*}} core 2 :
// PAIR:  token.actor "third" {{.*}} core 1 :

token.readout "a" %a shape [1] factor @one offset @one : !token.stream<1x1 in 0 to 0>
token.readout "b" %b shape [1] factor @one offset @one : !token.stream<1x1 in 0 to 0>
token.readout "c" %c shape [1] factor @one offset @one : !token.stream<1x1 in 0 to 0>

// SMALL: elsac-opt: network does not fit the target 'pair-small': it needs 3 cores, the chip has 2 (1 too few; -O1 may need fewer); the largest layer 'first' needs 3 bytes of weights memory, a core has 3; use --target elsa-6x6 (36 cores), or a TOML file with a mesh of at least 2x2
