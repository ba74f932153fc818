// RUN: %elsac-opt %s -p assign-cores --elsa-target %S/Inputs/pair.toml | filecheck %s

// Weights of 2, 3, 2 and 1 bytes, two cores with 4: no two neighbours but the last ones fit together, and
// then the first and the second do not. The first and the third on one core, the others on another do.

net.blob @two : tensor<1x2x1x1xi8> ints [15, -16]
net.blob @three : tensor<1x4x1x1xi8> ints [15, -16, 15, -16]
net.blob @one : tensor<1x1x1x1xi8> ints [15]
%x4 = token.source "x4" shape [4] scale "1" zero 0 as "UINT4" coding bitplane : !token.stream<1x4 in 0 to 15>
%x2 = token.source "x2" shape [2] scale "1" zero 0 as "UINT4" coding bitplane : !token.stream<1x2 in 0 to 15>
%x1 = token.source "x1" shape [1] scale "1" zero 0 as "UINT4" coding bitplane : !token.stream<1x1 in 0 to 15>
%a = token.actor "a" columns 0 to 1 of 1 reads %x2 : !token.stream<1x2 in 0 to 15> -> !token.stream<1x1 in 0 to 0> {
^bb0(%0: !token.stream<1x2 in 0 to 15>):
  token.accumulate %0 weight @two map <1x1 to 1x1 window <kernel [1, 1]>> groups 1 : !token.stream<1x2 in 0 to 15>
  token.hold bits 9
}
%b = token.actor "b" columns 0 to 1 of 1 reads %x4 : !token.stream<1x4 in 0 to 15> -> !token.stream<1x1 in 0 to 0> {
^bb0(%1: !token.stream<1x4 in 0 to 15>):
  token.accumulate %1 weight @three map <1x1 to 1x1 window <kernel [1, 1]>> groups 1 : !token.stream<1x4 in 0 to 15>
  token.hold bits 9
}
%c = token.actor "c" columns 0 to 1 of 1 reads %x2 : !token.stream<1x2 in 0 to 15> -> !token.stream<1x1 in 0 to 0> {
^bb0(%2: !token.stream<1x2 in 0 to 15>):
  token.accumulate %2 weight @two map <1x1 to 1x1 window <kernel [1, 1]>> groups 1 : !token.stream<1x2 in 0 to 15>
  token.hold bits 9
}
%d = token.actor "d" columns 0 to 1 of 1 reads %x1 : !token.stream<1x1 in 0 to 15> -> !token.stream<1x1 in 0 to 0> {
^bb0(%3: !token.stream<1x1 in 0 to 15>):
  token.accumulate %3 weight @one map <1x1 to 1x1 window <kernel [1, 1]>> groups 1 : !token.stream<1x1 in 0 to 15>
  token.hold bits 9
}

// CHECK: token.actor "a" {{.*}} core 0 :
// CHECK: token.actor "b" {{.*}} core 1 :
// CHECK: token.actor "c" {{.*}} core 0 :
// CHECK: token.actor "d" {{.*}} core 1 :
