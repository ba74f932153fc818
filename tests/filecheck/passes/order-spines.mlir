// RUN: %elsac-opt %s -p order-spines | filecheck %s --check-prefix RASTER
// RUN: %elsac-opt %s -p 'order-spines{schedule="shells"}' | filecheck %s --check-prefix SHELLS
// RUN: %elsac-opt %s -p 'order-spines{schedule="shells-padded"}' | filecheck %s --check-prefix PADDED
// RUN: %elsac-opt %s -p 'order-spines{schedule="shells-padded"},order-spines{schedule="raster"}' | filecheck %s --check-prefix RASTER

// The schedule is the order in which the spines of an input enter; what follows keeps it by itself, since a
// row fires when its last input has ended. So sources are told, and actors need not be.

net.blob @w : tensor<1x1x3x3xi8> ints [1, 2, 3, 4, 5, 6, 7, 8, 9]
net.blob @stairs : tensor<1x1x1xi64> ints [1]
net.blob @ones : tensor<1xi8> ints [1]

// Every input of a network enters in the same order. Raster is what a source does unless it is told
// otherwise: it is not named, and an earlier choice is taken back.
%x = token.source "x" shape [1, 4, 4] scale "1" zero 0 as "UINT4" coding bitplane : !token.stream<16x1 in 0 to 15>
%y = token.source "y" shape [1, 4, 4] scale "1" zero 0 as "UINT4" coding spikes : !token.stream<16x1 in 0 to 15>
// RASTER:      token.source "x" {{.*}} coding bitplane : !token.stream
// RASTER-NEXT: token.source "y" {{.*}} coding spikes : !token.stream
// SHELLS:      token.source "x" {{.*}} coding bitplane order "shells" : !token.stream
// SHELLS-NEXT: token.source "y" {{.*}} coding spikes order "shells" : !token.stream

// With "shells-padded" inputs enter in shells as well, and rows have a rule of their own: those whose window
// touches the padding at the bottom or at the right wait for the last spine. Every actor is marked, because
// each counts for itself.
// PADDED:      token.source "x" {{.*}} coding bitplane order "shells" : !token.stream
// PADDED-NEXT: token.source "y" {{.*}} coding spikes order "shells" : !token.stream

%a = token.actor "conv1" columns 0 to 1 of 1 reads %x : !token.stream<16x1 in 0 to 15> -> !token.stream<16x1 in 0 to 1> {
^bb0(%0: !token.stream<16x1 in 0 to 15>):
  token.accumulate %0 weight @w map <4x4 to 4x4 window <kernel [3, 3], pads [1, 1, 1, 1]>> groups 1 : !token.stream<16x1 in 0 to 15>
  token.fire stairs @stairs alphabet ternary bits 9
}
// RASTER: token.actor "conv1" columns 0 to 1 of 1 reads
// SHELLS: token.actor "conv1" columns 0 to 1 of 1 reads
// PADDED: token.actor "conv1" columns 0 to 1 of 1 padded reads

%b = token.actor "sum" columns 0 to 1 of 1 reads %a, %y : !token.stream<16x1 in 0 to 1>, !token.stream<16x1 in 0 to 15> -> !token.stream<16x1 in 0 to 1> {
^bb0(%1: !token.stream<16x1 in 0 to 1>, %2: !token.stream<16x1 in 0 to 15>):
  token.add %1 by @ones map <4x4 to 4x4 window <kernel [1, 1]>> : !token.stream<16x1 in 0 to 1>
  token.add %2 by @ones map <4x4 to 4x4 window <kernel [1, 1]>> : !token.stream<16x1 in 0 to 15>
  token.fire stairs @stairs alphabet ternary bits 9
}
// RASTER: token.actor "sum" columns 0 to 1 of 1 reads
// SHELLS: token.actor "sum" columns 0 to 1 of 1 reads
// PADDED: token.actor "sum" columns 0 to 1 of 1 padded reads
