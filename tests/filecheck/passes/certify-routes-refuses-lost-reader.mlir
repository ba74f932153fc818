// RUN: not %elsac-opt %s -p certify-routes 2>&1 | filecheck %s

// A reader that is nowhere cannot be reached; leaving it out would certify what never arrives.

net.blob @same : tensor<1x1xi32> ints [0]
%x = token.source "x" shape [1] scale "1" zero 0 as "UINT4" coding bitplane core 0 place [0, 0] routes [] : !token.stream<1x1 in 0 to 3>
%a = token.actor "a" columns 0 to 1 of 1 reads %x : !token.stream<1x1 in 0 to 3> -> !token.stream<1x1 in 0 to 3> {
^bb0(%0: !token.stream<1x1 in 0 to 3>):
  token.scatter %0 of 1 at @same : !token.stream<1x1 in 0 to 3>
  token.flow alphabet ternary bits 3
}

// CHECK: elsac-opt: certify-routes: node 'a' has no place; run the passes 'place-cores' and 'route-streams' before
