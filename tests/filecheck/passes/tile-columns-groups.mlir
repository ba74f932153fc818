// RUN: %elsac-opt %s -p tile-columns --elsa-target %S/Inputs/tiny.toml | filecheck %s

// Output columns of one group read the same input columns, so a tile holds whole groups: 3 groups of 2
// columns become tiles of 2 and 4 columns, not of 3 and 3.

net.blob @w : tensor<6x1x1x1xi8> ints [1, 2, 3, 4, 5, 6]
net.blob @one : tensor<1x!net.rational> rationals ["1"]
%x = token.source "x" shape [3, 1, 1] scale "1" zero 0 as "UINT4" coding bitplane : !token.stream<1x3 in 0 to 15>
%sum = token.actor "grouped" columns 0 to 6 of 6 reads %x : !token.stream<1x3 in 0 to 15> -> !token.stream<1x6 in 0 to 0> {
^bb0(%0: !token.stream<1x3 in 0 to 15>):
  token.accumulate %0 weight @w map <1x1 to 1x1 window <kernel [1, 1]>> groups 3 : !token.stream<1x3 in 0 to 15>
  token.hold bits 20
}
token.readout "sum" %sum shape [6, 1, 1] factor @one offset @one : !token.stream<1x6 in 0 to 0>

// CHECK:     columns 0 to 2 of 6 reads %x :
// CHECK:     columns 2 to 6 of 6 reads %x :
// CHECK-NOT: token.actor
