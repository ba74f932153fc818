// RUN: not %elsac-opt %s -p tile-columns --elsa-target %S/Inputs/tiny.toml 2>&1 | filecheck %s

// One column of 5 weights of 5 bits needs 25 bits, and a PE has 3 bytes.

net.blob @w : tensor<1x5x1x1xi8> ints [9, 9, 9, 9, 9]
net.blob @one : tensor<1x!net.rational> rationals ["1"]
%x = token.source "x" shape [5] scale "1" zero 0 as "UINT4" coding bitplane : !token.stream<1x5 in 0 to 15>
%sum = token.actor "fc1" columns 0 to 1 of 1 reads %x : !token.stream<1x5 in 0 to 15> -> !token.stream<1x1 in 0 to 0> {
^bb0(%0: !token.stream<1x5 in 0 to 15>):
  token.accumulate %0 weight @w map <1x1 to 1x1 window <kernel [1, 1]>> groups 1 : !token.stream<1x5 in 0 to 15>
  token.hold bits 9
}
token.readout "sum" %sum shape [1] factor @one offset @one : !token.stream<1x1 in 0 to 0>

// CHECK: elsac-opt: node 'fc1': a tile of 1 column(s) needs 4 bytes of weights memory in a PE, the target 'tiny' has 3: use a target with larger PEs or a smaller map
