// RUN: %elsac-opt %s -p 'estimate-load,bundle-packets,route-streams{method=xy}' | filecheck %s
// RUN: not %elsac-opt %s -p 'route-streams{method=zigzag}' 2>&1 | filecheck %s --check-prefix METHOD

// Packets go along x first and then along y; that order has no cycles, so nothing can wait for itself. A
// stream has one route for each other core that reads it, and none for readers on its own core. A sender
// may be one step ahead of its readers.

net.blob @same : tensor<1x1xi32> ints [0]
%x = token.source "x" shape [1] scale "1" zero 0 as "UINT4" coding bitplane core 0 place [0, 0] : !token.stream<1x1 in 0 to 3>
// CHECK: token.source "x" {{.*}} place [0, 0] routes [] :

%a = token.actor "a" columns 0 to 1 of 1 reads %x core 0 place [0, 0] : !token.stream<1x1 in 0 to 3> -> !token.stream<1x1 in 0 to 3> {
^bb0(%0: !token.stream<1x1 in 0 to 3>):
  token.scatter %0 of 1 at @same : !token.stream<1x1 in 0 to 3>
  token.flow alphabet ternary bits 3
}
// CHECK: token.actor "a" {{.*}} place [0, 0] routes [#token.route<(0, 0), (1, 0), (2, 0), (2, 1) credits 1>, #token.route<(0, 0), (0, 1) credits 1>] :

// Two actors of one core get one route.
%b = token.actor "b" columns 0 to 1 of 1 reads %a core 1 place [2, 1] : !token.stream<1x1 in 0 to 3> -> !token.stream<1x1 in 0 to 3> {
^bb0(%1: !token.stream<1x1 in 0 to 3>):
  token.scatter %1 of 1 at @same : !token.stream<1x1 in 0 to 3>
  token.flow alphabet ternary bits 3
}
%c = token.actor "c" columns 0 to 1 of 1 reads %a core 1 place [2, 1] : !token.stream<1x1 in 0 to 3> -> !token.stream<1x1 in 0 to 3> {
^bb0(%2: !token.stream<1x1 in 0 to 3>):
  token.scatter %2 of 1 at @same : !token.stream<1x1 in 0 to 3>
  token.flow alphabet ternary bits 3
}
// Also leftward and upward.
// CHECK: token.actor "b" {{.*}} place [2, 1] routes [#token.route<(2, 1), (1, 1), (0, 1) credits 1>] :
// CHECK: token.actor "c" {{.*}} place [2, 1] routes [#token.route<(2, 1), (1, 1), (0, 1) credits 1>] :

%d = token.actor "d" columns 0 to 1 of 1 reads %a, %b, %c core 2 place [0, 1] : !token.stream<1x1 in 0 to 3>, !token.stream<1x1 in 0 to 3>, !token.stream<1x1 in 0 to 3> -> !token.stream<1x1 in 0 to 3> {
^bb0(%3: !token.stream<1x1 in 0 to 3>, %4: !token.stream<1x1 in 0 to 3>, %5: !token.stream<1x1 in 0 to 3>):
  token.scatter %3 of 1 at @same : !token.stream<1x1 in 0 to 3>
  token.scatter %4 of 1 at @same : !token.stream<1x1 in 0 to 3>
  token.scatter %5 of 1 at @same : !token.stream<1x1 in 0 to 3>
  token.flow alphabet ternary bits 3
}
// What only the host reads has no route.
// CHECK: token.actor "d" {{.*}} place [0, 1] routes [] :
token.probe "d" %d shape [1] zero 0 as "UINT4" : !token.stream<1x1 in 0 to 3>

// What was found: flits times hops, flits on the busiest link, and the order in which every packet takes the
// virtual channels: x, y, x, y, number of the channel.
// CHECK: token.claim "routing" {method = "xy", seed = 0 : i64, flit_hops = {{\d+}} : i64, max_link = {{\d+}} : i64, channels = 1 : i64, order = array<i64: {{.*}}>}
// METHOD: elsac-opt: route-streams: method 'zigzag' is not one of auto, xy, o1turn, valiant, lp
