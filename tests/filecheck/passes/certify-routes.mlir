// RUN: %elsac-opt %s -p certify-routes | filecheck %s

// The pass checks what routing decided and changes nothing: each reader's core is at the end of one
// route, and the links' waiting for each other has no cycle.

net.blob @same : tensor<1x1xi32> ints [0]
%x = token.source "x" shape [1] scale "1" zero 0 as "UINT4" coding bitplane core 0 place [0, 0] routes [#token.route<(0, 0), (1, 0), (1, 1)>] : !token.stream<1x1 in 0 to 3>
%a = token.actor "a" columns 0 to 1 of 1 reads %x core 1 place [1, 1] routes [#token.route<(1, 1), (0, 1)>] : !token.stream<1x1 in 0 to 3> -> !token.stream<1x1 in 0 to 3> {
^bb0(%0: !token.stream<1x1 in 0 to 3>):
  token.scatter %0 of 1 at @same : !token.stream<1x1 in 0 to 3>
  token.flow alphabet ternary bits 3
}
%b = token.actor "b" columns 0 to 1 of 1 reads %a core 2 place [0, 1] routes [] : !token.stream<1x1 in 0 to 3> -> !token.stream<1x1 in 0 to 3> {
^bb0(%1: !token.stream<1x1 in 0 to 3>):
  token.scatter %1 of 1 at @same : !token.stream<1x1 in 0 to 3>
  token.flow alphabet ternary bits 3
}
token.probe "b" %b shape [1] zero 0 as "UINT4" : !token.stream<1x1 in 0 to 3>

// CHECK: token.source "x" {{.*}} routes [#token.route<(0, 0), (1, 0), (1, 1)>]
// CHECK: token.actor "a" {{.*}} routes [#token.route<(1, 1), (0, 1)>]
