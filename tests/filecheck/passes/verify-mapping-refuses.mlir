// RUN: not %elsac-opt %s -p verify-mapping 2>&1 | filecheck %s

// Four streams, each two links around one square, all turning the same way: every packet can hold its first
// link and wait for the second, which the next one holds. There is no order in which all of them ascend, and
// so none can be claimed: this one serves the first three streams, and fails the fourth.

net.blob @same : tensor<1x1xi32> ints [0]
token.packet_format "baer" flit 256 fields {destination = 6 : i64, type = 2 : i64, spine = 12 : i64, position = 12 : i64, sign = 1 : i64, check = 15 : i64, exponent = 0 : i64} capacity 17
%x = token.source "x" shape [1] scale "1" zero 0 as "UINT4" coding bitplane core 0 place [0, 0] routes [#token.route<(0, 0), (1, 0), (1, 1) credits 1>] : !token.stream<1x1 in 0 to 3>
%y = token.source "y" shape [1] scale "1" zero 0 as "UINT4" coding bitplane core 1 place [1, 0] routes [#token.route<(1, 0), (1, 1), (0, 1) credits 1>] : !token.stream<1x1 in 0 to 3>
%a = token.actor "a" columns 0 to 1 of 1 reads %x core 2 place [1, 1] routes [#token.route<(1, 1), (0, 1), (0, 0) credits 1>] memory {weights_at = 0 : i64, weights_bytes = 0 : i64, membranes_at = 0 : i64, membranes_bytes = 1 : i64, tracers_at = 0 : i64, tracers_bytes = 1 : i64} : !token.stream<1x1 in 0 to 3> -> !token.stream<1x1 in 0 to 3> {
^bb0(%0: !token.stream<1x1 in 0 to 3>):
  token.scatter %0 of 1 at @same : !token.stream<1x1 in 0 to 3>
  token.flow alphabet ternary bits 3
}
%b = token.actor "b" columns 0 to 1 of 1 reads %y core 3 place [0, 1] routes [#token.route<(0, 1), (0, 0), (1, 0) credits 1>] memory {weights_at = 0 : i64, weights_bytes = 0 : i64, membranes_at = 0 : i64, membranes_bytes = 1 : i64, tracers_at = 0 : i64, tracers_bytes = 1 : i64} : !token.stream<1x1 in 0 to 3> -> !token.stream<1x1 in 0 to 3> {
^bb0(%0: !token.stream<1x1 in 0 to 3>):
  token.scatter %0 of 1 at @same : !token.stream<1x1 in 0 to 3>
  token.flow alphabet ternary bits 3
}
%c = token.actor "c" columns 0 to 1 of 1 reads %a core 0 place [0, 0] routes [] memory {weights_at = 0 : i64, weights_bytes = 0 : i64, membranes_at = 0 : i64, membranes_bytes = 1 : i64, tracers_at = 0 : i64, tracers_bytes = 1 : i64} : !token.stream<1x1 in 0 to 3> -> !token.stream<1x1 in 0 to 3> {
^bb0(%0: !token.stream<1x1 in 0 to 3>):
  token.scatter %0 of 1 at @same : !token.stream<1x1 in 0 to 3>
  token.flow alphabet ternary bits 3
}
%d = token.actor "d" columns 0 to 1 of 1 reads %b core 1 place [1, 0] routes [] memory {weights_at = 0 : i64, weights_bytes = 0 : i64, membranes_at = 0 : i64, membranes_bytes = 1 : i64, tracers_at = 0 : i64, tracers_bytes = 1 : i64} : !token.stream<1x1 in 0 to 3> -> !token.stream<1x1 in 0 to 3> {
^bb0(%0: !token.stream<1x1 in 0 to 3>):
  token.scatter %0 of 1 at @same : !token.stream<1x1 in 0 to 3>
  token.flow alphabet ternary bits 3
}
token.probe "c" %c shape [1] zero 0 as "UINT4" : !token.stream<1x1 in 0 to 3>
token.probe "d" %d shape [1] zero 0 as "UINT4" : !token.stream<1x1 in 0 to 3>
token.claim "routing" {order = array<i64: 0, 0, 1, 0, 0, 1, 0, 1, 1, 0, 1, 1, 0, 1, 0, 0, 1, 0, 0, 0>}

// CHECK: elsac-opt: verify-mapping: node 'b': its packets hold channel 0 of link (0, 1) to (0, 0) (number 3 of the order) while they wait for channel 0 of link (0, 0) to (1, 0) (number 0), and could do so for ever; run the pass 'route-streams' again
