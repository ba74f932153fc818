// RUN: not %elsac-opt %s -p check-blobs 2>&1 | filecheck %s

// Two spines of two channels are four places.

net.blob @i : tensor<2x2xi32> ints [0, 1, 2, 4]
%x = "test.op"() : () -> !token.stream<2x2 in 0 to 3>
%y = token.actor "a" columns 0 to 2 of 2 reads %x : !token.stream<2x2 in 0 to 3> -> !token.stream<2x2 in 0 to 1> {
^bb0(%0: !token.stream<2x2 in 0 to 3>):
  token.scatter %0 of 2 at @i : !token.stream<2x2 in 0 to 3>
  token.flow alphabet ternary bits 3
}

// CHECK: elsac-opt: node 'a' (token.scatter): index map @i has entries 0 to 4, expected -1 to 3
