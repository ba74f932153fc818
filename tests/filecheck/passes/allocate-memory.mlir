// RUN: %elsac-opt %s -p allocate-memory | filecheck %s
// RUN: not %elsac-opt %s -p allocate-memory --elsa-target %S/Inputs/pair-small.toml 2>&1 | filecheck %s --check-prefix SMALL

// The actors of a core lie one after the other in each memory of its PEs. All 4 PEs are laid out alike:
// a PE has a quarter of the columns, so for 2 columns it has 1.

net.blob @w : tensor<2x3x1x1xi8> ints [15, -16, 15, -16, 15, -16]
net.blob @stairs : tensor<3x1x2xi64> ints [1, 2, 3, 4, 5, 6]
net.blob @ones : tensor<2xi8> ints [1, 1]
net.blob @one : tensor<1x!net.rational> rationals ["1"]
%x = token.source "x" shape [3, 4, 1] scale "1" zero 0 as "UINT4" coding bitplane core 0 : !token.stream<4x3 in 0 to 15>

// 3 weights of 5 bits: 2 bytes. 4 rows with a membrane of 10 bits, and the staircase: a base and a step of
// 10 bits and 3 levels, 63 bits: 8 bytes. 4 tracers of 2 bits: 1 byte.
%a = token.actor "conv1" columns 0 to 2 of 2 reads %x core 0 : !token.stream<4x3 in 0 to 15> -> !token.stream<4x2 in 0 to 3> {
^bb0(%0: !token.stream<4x3 in 0 to 15>):
  token.accumulate %0 weight @w map <4x1 to 4x1 window <kernel [1, 1]>> groups 1 : !token.stream<4x3 in 0 to 15>
  token.fire stairs @stairs alphabet ternary bits 10
}
// CHECK: token.actor "conv1" {{.*}} memory {weights_at = 0 : i64, weights_bytes = 2 : i64, membranes_at = 0 : i64, membranes_bytes = 8 : i64, tracers_at = 0 : i64, tracers_bytes = 1 : i64}

// A constant of 2 bits (1 with a sign), behind it; several streams of one layer share what they add. The
// flow keeps what waits in 4 membranes of 3 bits.
%low, %high = "test.op"() : () -> (!token.stream<4x1 in 0 to 3>, !token.stream<4x1 in 0 to 3>)
%b = token.actor "skip" columns 0 to 2 of 2 reads %low, %high core 0 : !token.stream<4x1 in 0 to 3>, !token.stream<4x1 in 0 to 3> -> !token.stream<4x2 in 0 to 3> {
^bb0(%1: !token.stream<4x1 in 0 to 3>, %2: !token.stream<4x1 in 0 to 3>):
  token.add %1 by @ones map <4x1 to 4x1 window <kernel [1, 1]>> : !token.stream<4x1 in 0 to 3>
  token.add %2 from 1 by @ones map <4x1 to 4x1 window <kernel [1, 1]>> : !token.stream<4x1 in 0 to 3>
  token.flow alphabet ternary bits 3
}
// CHECK: token.actor "skip" {{.*}} memory {weights_at = 2 : i64, weights_bytes = 1 : i64, membranes_at = 8 : i64, membranes_bytes = 2 : i64, tracers_at = 1 : i64, tracers_bytes = 1 : i64}

// On another core, addresses start again. A max-pool has a copy of the tracers that it reads, once for all
// its streams: 4 places and 1 of its own with 2 bits each.
%c = token.actor "pool1" columns 0 to 2 of 2 reads %b, %b core 1 : !token.stream<4x2 in 0 to 3>, !token.stream<4x2 in 0 to 3> -> !token.stream<1x2 in 0 to 3> {
^bb0(%3: !token.stream<4x2 in 0 to 3>, %4: !token.stream<4x2 in 0 to 3>):
  token.trace %3 map <4x1 to 1x1 window <kernel [4, 1]>> : !token.stream<4x2 in 0 to 3>
  token.trace %4 from 1 map <4x1 to 1x1 window <kernel [4, 1]>> : !token.stream<4x2 in 0 to 3>
  token.maximum map <4x1 to 1x1 window <kernel [4, 1]>> alphabet ternary
}
// CHECK: token.actor "pool1" {{.*}} memory {weights_at = 0 : i64, weights_bytes = 0 : i64, membranes_at = 0 : i64, membranes_bytes = 0 : i64, tracers_at = 0 : i64, tracers_bytes = 2 : i64}
token.probe "c" %c shape [2, 1, 1] zero 0 as "UINT4" : !token.stream<1x2 in 0 to 3>

// Nothing lies beyond the end of a memory. With one PE and 3 bytes, the weights of the first layer do.
// SMALL: elsac-opt: node 'conv1': core 0 needs 4 bytes of weights memory in a PE and has 3: use a target with more cores
