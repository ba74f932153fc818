// RUN: %elsac-opt %s -p estimate-load | filecheck %s

// How often neurons spike is known when a network has run, but a mapping is wanted before. Without a profile
// every layer gets a rate, the share of its neurons that spike in a step, one number for each step.

net.blob @w : tensor<4x2x1x1xi8> ints [1, 2, 3, 4, 5, 6, 7, 8]
net.blob @v : tensor<2x4x1x1xi8> ints [1, 2, 3, 4, 5, 6, 7, 8]
net.blob @stairs : tensor<3x1x4xi64> ints [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]
net.blob @one : tensor<1x!net.rational> rationals ["1"]

// A bit-plane in a step: 0 to 15 are four bits, and each is taken to be set in half of the elements.
%bits = token.source "bits" shape [2] scale "1" zero 0 as "UINT4" coding bitplane : !token.stream<1x2 in 0 to 15>
// CHECK: token.source "bits" {{.*}} coding bitplane rates [5.{{0+}}e-01, 5.{{0+}}e-01, 5.{{0+}}e-01, 5.{{0+}}e-01] :

// What counts is the larger side, as the sign goes beside the bits: -8 to 3 are four planes, for 8 has four bits.
%signed = token.source "signed" shape [2] scale "1" zero 0 as "INT4" coding bitplane : !token.stream<1x2 in -8 to 3>
// CHECK: token.source "signed" {{.*}} coding bitplane rates [5.{{0+}}e-01, 5.{{0+}}e-01, 5.{{0+}}e-01, 5.{{0+}}e-01] :

// A train of unit spikes lasts as many steps as the largest value. Values spread evenly over 0 to 4: four of
// five have a spike in the first step, one of five has one in the fourth.
%train = token.source "train" shape [2] scale "1" zero 0 as "UINT4" coding spikes : !token.stream<1x2 in 0 to 4>
// CHECK: token.source "train" {{.*}} coding spikes rates [8.{{0+}}e-01, 6.{{0+}}e-01, 4.{{0+}}e-01, 2.{{0+}}e-01] :

// Analog values enter all at once.
%once = token.source "once" shape [2] scale "1" zero 0 as "UINT4" coding analog : !token.stream<1x2 in 0 to 15>
// CHECK: token.source "once" {{.*}} coding analog rates [1.{{0+}}e+00] :

// A layer gets the mean over the layers of the published ResNet-50 trace, steps 1 to 8.
%a = token.actor "fc1" columns 0 to 4 of 4 reads %bits : !token.stream<1x2 in 0 to 15> -> !token.stream<1x4 in 0 to 3> {
^bb0(%0: !token.stream<1x2 in 0 to 15>):
  token.accumulate %0 weight @w map <1x1 to 1x1 window <kernel [1, 1]>> groups 1 : !token.stream<1x2 in 0 to 15>
  token.fire stairs @stairs alphabet ternary bits 9
}
// CHECK: token.actor "fc1" columns 0 to 4 of 4 reads %bits rates [1.75{{0*}}e-01, 1.7{{0*}}e-01, 1.54{{0*}}e-01, 1.46{{0*}}e-01, 1.41{{0*}}e-01, 1.16{{0*}}e-01, 9.8{{0*}}e-02, 8.2{{0*}}e-02] :

// So does one that holds its charge; nobody reads its rate, for it sends nothing.
%sum = token.actor "fc2" columns 0 to 2 of 2 reads %a : !token.stream<1x4 in 0 to 3> -> !token.stream<1x2 in 0 to 0> {
^bb0(%1: !token.stream<1x4 in 0 to 3>):
  token.accumulate %1 weight @v map <1x1 to 1x1 window <kernel [1, 1]>> groups 1 : !token.stream<1x4 in 0 to 3>
  token.hold bits 9
}
// CHECK: token.actor "fc2" columns 0 to 2 of 2 reads %a rates [1.75{{0*}}e-01,
token.readout "sum" %sum shape [2] factor @one offset @one : !token.stream<1x2 in 0 to 0>
