// RUN: %elsac-opt %s -p 'estimate-load{profile="%S/Inputs/profile.json"}' | filecheck %s
// RUN: %elsac-opt %s -p 'estimate-load{profile="%S/Inputs/profile.json"},estimate-load' | filecheck %s --check-prefix AGAIN

// A profile has the spikes of each layer in each step, as `elsac run --json` writes them. Divided by the neurons
// of the layer they are its rates. Layers go by the names of actors, inputs by the names of tensors.

net.blob @w : tensor<4x2x1x1xi8> ints [1, 2, 3, 4, 5, 6, 7, 8]
net.blob @v : tensor<4x4x1x1xi8> ints [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16]
net.blob @stairs : tensor<1x1x4xi64> ints [1, 2, 3, 4]

// "image" of 2 elements: 1, 2 and 0.5 spikes (means over samples need not be whole).
%x = token.source "image" shape [2] scale "1" zero 0 as "UINT4" coding bitplane : !token.stream<1x2 in 0 to 7>
// CHECK: token.source "image" {{.*}} rates [5.{{0+}}e-01, 1.{{0+}}e+00, 2.5{{0*}}e-01] :
// AGAIN: token.source "image" {{.*}} rates [5.{{0+}}e-01, 5.{{0+}}e-01, 5.{{0+}}e-01] :

// Tiles of one layer are listed as one: "fc1" of 4 neurons, 1 and 3 spikes.
%low = token.actor "fc1" columns 0 to 2 of 4 reads %x : !token.stream<1x2 in 0 to 7> -> !token.stream<1x2 in 0 to 1> {
^bb0(%0: !token.stream<1x2 in 0 to 7>):
  token.accumulate %0 weight @w map <1x1 to 1x1 window <kernel [1, 1]>> groups 1 : !token.stream<1x2 in 0 to 7>
  token.fire stairs @stairs alphabet ternary bits 9
}
%high = token.actor "fc1" columns 2 to 4 of 4 reads %x : !token.stream<1x2 in 0 to 7> -> !token.stream<1x2 in 0 to 1> {
^bb0(%1: !token.stream<1x2 in 0 to 7>):
  token.accumulate %1 weight @w map <1x1 to 1x1 window <kernel [1, 1]>> groups 1 : !token.stream<1x2 in 0 to 7>
  token.fire stairs @stairs alphabet ternary bits 9
}
// CHECK: token.actor "fc1" columns 0 to 2 of 4 reads %x rates [2.5{{0*}}e-01, 7.5{{0*}}e-01] :
// CHECK: token.actor "fc1" columns 2 to 4 of 4 reads %x rates [2.5{{0*}}e-01, 7.5{{0*}}e-01] :
// AGAIN: token.actor "fc1" columns 0 to 2 of 4 reads %x rates [1.75{{0*}}e-01,

// A layer that never spiked is known to be silent.
%b = token.actor "silent" columns 0 to 4 of 4 reads %low, %high : !token.stream<1x2 in 0 to 1>, !token.stream<1x2 in 0 to 1> -> !token.stream<1x4 in 0 to 1> {
^bb0(%2: !token.stream<1x2 in 0 to 1>, %3: !token.stream<1x2 in 0 to 1>):
  token.accumulate %2 weight @v map <1x1 to 1x1 window <kernel [1, 1]>> groups 1 : !token.stream<1x2 in 0 to 1>
  token.accumulate %3 from 2 weight @v map <1x1 to 1x1 window <kernel [1, 1]>> groups 1 : !token.stream<1x2 in 0 to 1>
  token.fire stairs @stairs alphabet ternary bits 9
}
// CHECK: token.actor "silent" columns 0 to 4 of 4 reads %low, %high rates [] :
// AGAIN: token.actor "silent" columns 0 to 4 of 4 reads %low, %high rates [1.75{{0*}}e-01,

// Of this one the profile does not speak, so it gets the generic rates.
%c = token.actor "fc3" columns 0 to 4 of 4 reads %b : !token.stream<1x4 in 0 to 1> -> !token.stream<1x4 in 0 to 1> {
^bb0(%4: !token.stream<1x4 in 0 to 1>):
  token.accumulate %4 weight @v map <1x1 to 1x1 window <kernel [1, 1]>> groups 1 : !token.stream<1x4 in 0 to 1>
  token.fire stairs @stairs alphabet ternary bits 9
}
// CHECK: token.actor "fc3" columns 0 to 4 of 4 reads %b rates [1.75{{0*}}e-01, 1.7{{0*}}e-01,

token.probe "c" %c shape [4] zero 0 as "UINT4" : !token.stream<1x4 in 0 to 1>
