// RUN: not %elsac-opt %s -p check-blobs 2>&1 | filecheck %s

// A row that no spine feeds would wait for nothing.

net.blob @w : tensor<2x2x1x1xi8> ints [1, 2, 3, 4]
%x = "test.op"() : () -> !token.stream<2x2 in 0 to 3>
%y = token.actor "a" columns 0 to 2 of 2 reads %x : !token.stream<2x2 in 0 to 3> -> !token.stream<3x2 in 0 to 1> {
^bb0(%0: !token.stream<2x2 in 0 to 3>):
  token.accumulate %0 weight @w map <2x1 to 2x1 window <kernel [1, 1]>> groups 1 : !token.stream<2x2 in 0 to 3>
  token.hold bits 9
}

// CHECK: elsac-opt: node 'a' (token.accumulate): the map's result has 2 places, the layer 3 rows
