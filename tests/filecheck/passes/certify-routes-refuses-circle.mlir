// RUN: not %elsac-opt %s -p certify-routes 2>&1 | filecheck %s

// Four streams, each two links around one square, all turning the same way: every packet can hold
// its first link and wait for the second, which the next one holds.

net.blob @same : tensor<1x1xi32> ints [0]
%x = token.source "x" shape [1] scale "1" zero 0 as "UINT4" coding bitplane core 0 place [0, 0] routes [#token.route<(0, 0), (1, 0), (1, 1)>] : !token.stream<1x1 in 0 to 3>
%y = token.source "y" shape [1] scale "1" zero 0 as "UINT4" coding bitplane core 1 place [1, 0] routes [#token.route<(1, 0), (1, 1), (0, 1)>] : !token.stream<1x1 in 0 to 3>
%a = token.actor "a" columns 0 to 1 of 1 reads %x core 2 place [1, 1] routes [#token.route<(1, 1), (0, 1), (0, 0)>] : !token.stream<1x1 in 0 to 3> -> !token.stream<1x1 in 0 to 3> {
^bb0(%0: !token.stream<1x1 in 0 to 3>):
  token.scatter %0 of 1 at @same : !token.stream<1x1 in 0 to 3>
  token.flow alphabet ternary bits 3
}
%b = token.actor "b" columns 0 to 1 of 1 reads %y core 3 place [0, 1] routes [#token.route<(0, 1), (0, 0), (1, 0)>] : !token.stream<1x1 in 0 to 3> -> !token.stream<1x1 in 0 to 3> {
^bb0(%1: !token.stream<1x1 in 0 to 3>):
  token.scatter %1 of 1 at @same : !token.stream<1x1 in 0 to 3>
  token.flow alphabet ternary bits 3
}
%c = token.actor "c" columns 0 to 1 of 1 reads %a core 0 place [0, 0] routes [] : !token.stream<1x1 in 0 to 3> -> !token.stream<1x1 in 0 to 3> {
^bb0(%2: !token.stream<1x1 in 0 to 3>):
  token.scatter %2 of 1 at @same : !token.stream<1x1 in 0 to 3>
  token.flow alphabet ternary bits 3
}
%d = token.actor "d" columns 0 to 1 of 1 reads %b core 1 place [1, 0] routes [] : !token.stream<1x1 in 0 to 3> -> !token.stream<1x1 in 0 to 3> {
^bb0(%3: !token.stream<1x1 in 0 to 3>):
  token.scatter %3 of 1 at @same : !token.stream<1x1 in 0 to 3>
  token.flow alphabet ternary bits 3
}

// CHECK: packets could wait for each other for ever on the links
// CHECK-SAME: route them in dimension order
