// RUN: not %elsac-opt %s -p check-blobs 2>&1 | filecheck %s

// A sign is -1, 0 or 1.

net.blob @thresholds : tensor<2x3xi64> ints [1, 2, 3, 4, 5, 6]
net.blob @signs : tensor<2xi32> ints [2, 1]
net.blob @ones : tensor<2xi8> ints [1, 1]
%x = "test.op"() : () -> !token.stream<4x2 in 0 to 3>
%y = token.actor "norm" columns 0 to 2 of 2 reads %x : !token.stream<4x2 in 0 to 3> -> !token.stream<4x2 in 0 to 3> {
^bb0(%0: !token.stream<4x2 in 0 to 3>):
  token.add %0 by @ones map <4x1 to 4x1 window <kernel [1, 1]>> : !token.stream<4x2 in 0 to 3>
  token.norm thresholds @thresholds signs @signs fraction 3 epsilon 5 bits 2 alphabet ternary width 2
}

// CHECK: node 'norm' (token.norm): signs @signs has entries 0 to 2, expected -1 to 1
