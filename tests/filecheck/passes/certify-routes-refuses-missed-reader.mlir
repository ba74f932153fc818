// RUN: not %elsac-opt %s -p certify-routes 2>&1 | filecheck %s

// A route that ends one core short leaves the reader waiting for ever.

net.blob @same : tensor<1x1xi32> ints [0]
%x = token.source "x" shape [1] scale "1" zero 0 as "UINT4" coding bitplane core 0 place [0, 0] routes [#token.route<(0, 0), (1, 0)>] : !token.stream<1x1 in 0 to 3>
%a = token.actor "a" columns 0 to 1 of 1 reads %x core 1 place [2, 0] routes [] : !token.stream<1x1 in 0 to 3> -> !token.stream<1x1 in 0 to 3> {
^bb0(%0: !token.stream<1x1 in 0 to 3>):
  token.scatter %0 of 1 at @same : !token.stream<1x1 in 0 to 3>
  token.flow alphabet ternary bits 3
}
token.probe "a" %a shape [1] zero 0 as "UINT4" : !token.stream<1x1 in 0 to 3>

// CHECK: node 'x': its routes from (0, 0) end at [(1, 0)], its readers are at [(2, 0)]
