// RUN: %elsac-opt %s -p verify-mapping | filecheck %s

// A mapping with all its claims, each small enough to be checked by hand: eight cores of the 6x6 mesh,
// in two rows.
//
//     core 0  x, conv1 (upper left)    core 1  conv1 (upper right)    core 4  conv2 (upper)    core 6  pool
//     core 2  conv1 (lower left)       core 3  conv1 (lower right)    core 5  conv2 (lower)    core 7  flip, fc
//
// The pass computes everything again and prints the module as it is.

net.blob @w1 : tensor<2x1x3x1xi8> ints [1, 2, 1, -2, 1, 2]
net.blob @w2 : tensor<2x2x3x1xi8> ints [1, 0, 1, 2, 0, -2, 1, 1, 1, 0, 2, 0]
net.blob @w3 : tensor<1x2x2x1xi8> ints [1, 2, -2, 1]
net.blob @stairs : tensor<3x1x2xi64> ints [1, 1, 2, 2, 3, 3]
net.blob @ones : tensor<2xi8> ints [1, 1]
net.blob @swap : tensor<2x2xi32> ints [1, 0, 3, 2]
net.blob @one : tensor<1x!net.rational> rationals ["1"]

// A flit of 256 bits has 35 bits of header and check, and 13 for each spike: 17 spikes.
token.packet_format "baer" flit 256 fields {destination = 6 : i64, type = 2 : i64, spine = 12 : i64, position = 12 : i64, sign = 1 : i64, check = 15 : i64, exponent = 0 : i64} capacity 17

// All neurons spike in the first step and none in the second: each spine of each stream is one flit in a
// run, whatever it says otherwise.
//
// The input is a map of 4x2. Windows of three lines need a halo: the upper tiles of conv1 read lines 0 to 2
// (spines 0 to 6), the lower ones lines 1 to 3 (spines 2 to 8), and the core of the input reads its own
// stream without a route. Three links, 6 flits each: 18 flit-hops. Placement counts half perimeters, of
// spines 0 and 1 to core 1 (1 hop), of 2 to 5 to all (2 hops), of 6 and 7 to cores 2 and 3 (2 hops): 14.
%x = token.source "x" shape [1, 4, 2] scale "1" zero 0 as "UINT4" coding bitplane rates [1.0, 0.0] core 0 place [0, 0] routes [#token.route<(0, 0), (1, 0) spines 0 to 6 credits 1>, #token.route<(0, 0), (0, 1) spines 2 to 8 credits 1>, #token.route<(0, 0), (0, 1), (1, 1) spines 2 to 8 credits 1>] : !token.stream<8x1 in 0 to 3>

// conv1: two columns of four lines, in 2x2 tiles. Two PEs share the lines and two the columns (of which
// there is one), so that a PE has one line of two rows. In bits, it holds 3 weights of 3 bits (9); two
// membranes of 6 bits and a staircase of a base, a step and three levels (12 + 15); two tracers of 2 bits.
// A row sees 3 spikes in the first step and none in the second: 2 cycles and 1, 6 for the two rows.
%a = token.actor "conv1" columns 0 to 1 of 2 lines 0 to 2 of 4 pes [2, 2] reads %x rates [1.0, 0.0] core 0 place [0, 0] routes [#token.route<(0, 0), (1, 0), (2, 0) credits 1>, #token.route<(0, 0), (1, 0), (2, 0), (2, 1) spines 2 to 4 credits 1>] memory {weights_at = 0 : i64, weights_bytes = 2 : i64, membranes_at = 0 : i64, membranes_bytes = 4 : i64, tracers_at = 0 : i64, tracers_bytes = 1 : i64} : !token.stream<8x1 in 0 to 3> -> !token.stream<4x1 in 0 to 3> {
^bb0(%0: !token.stream<8x1 in 0 to 3>):
  token.accumulate %0 weight @w1 map <4x2 to 4x2 window <kernel [3, 1], pads [1, 0, 1, 0]>> groups 1 : !token.stream<8x1 in 0 to 3>
  token.fire stairs @stairs alphabet ternary bits 6
}
%b = token.actor "conv1" columns 1 to 2 of 2 lines 0 to 2 of 4 pes [2, 2] reads %x rates [1.0, 0.0] core 1 place [1, 0] routes [#token.route<(1, 0), (2, 0) credits 1>, #token.route<(1, 0), (2, 0), (2, 1) spines 2 to 4 credits 1>] memory {weights_at = 0 : i64, weights_bytes = 2 : i64, membranes_at = 0 : i64, membranes_bytes = 4 : i64, tracers_at = 0 : i64, tracers_bytes = 1 : i64} : !token.stream<8x1 in 0 to 3> -> !token.stream<4x1 in 0 to 3> {
^bb0(%0: !token.stream<8x1 in 0 to 3>):
  token.accumulate %0 weight @w1 map <4x2 to 4x2 window <kernel [3, 1], pads [1, 0, 1, 0]>> groups 1 : !token.stream<8x1 in 0 to 3>
  token.fire stairs @stairs alphabet ternary bits 6
}
%c = token.actor "conv1" columns 0 to 1 of 2 lines 2 to 4 of 4 pes [2, 2] reads %x rates [1.0, 0.0] core 2 place [0, 1] routes [#token.route<(0, 1), (1, 1), (2, 1), (2, 0) spines 0 to 2 credits 1>, #token.route<(0, 1), (1, 1), (2, 1) credits 1>] memory {weights_at = 0 : i64, weights_bytes = 2 : i64, membranes_at = 0 : i64, membranes_bytes = 4 : i64, tracers_at = 0 : i64, tracers_bytes = 1 : i64} : !token.stream<8x1 in 0 to 3> -> !token.stream<4x1 in 0 to 3> {
^bb0(%0: !token.stream<8x1 in 0 to 3>):
  token.accumulate %0 weight @w1 map <4x2 to 4x2 window <kernel [3, 1], pads [1, 0, 1, 0]>> groups 1 : !token.stream<8x1 in 0 to 3>
  token.fire stairs @stairs alphabet ternary bits 6
}
%d = token.actor "conv1" columns 1 to 2 of 2 lines 2 to 4 of 4 pes [2, 2] reads %x rates [1.0, 0.0] core 3 place [1, 1] routes [#token.route<(1, 1), (2, 1), (2, 0) spines 0 to 2 credits 1>, #token.route<(1, 1), (2, 1) credits 1>] memory {weights_at = 0 : i64, weights_bytes = 2 : i64, membranes_at = 0 : i64, membranes_bytes = 4 : i64, tracers_at = 0 : i64, tracers_bytes = 1 : i64} : !token.stream<8x1 in 0 to 3> -> !token.stream<4x1 in 0 to 3> {
^bb0(%0: !token.stream<8x1 in 0 to 3>):
  token.accumulate %0 weight @w1 map <4x2 to 4x2 window <kernel [3, 1], pads [1, 0, 1, 0]>> groups 1 : !token.stream<8x1 in 0 to 3>
  token.fire stairs @stairs alphabet ternary bits 6
}

// conv2 adds conv1 to its own convolution of it: its tiles read every tile of conv1 for the windows, of which
// the other half's come with one line of halo, and those of their own lines once more for the residual. Four
// PEs share the columns: a PE has one column of four rows, 6 weights of 3 bits and a constant of 2 (20 bits),
// membranes of 7 bits (28 + 17), tracers (8). A row sees 6 + 1 spikes, and then none: 3 cycles, 12 for the
// four rows. No core is busier.
//
// The upper tile has two trees. Of four spines, three take the short one and the fourth the long one, on a
// virtual channel of its own: 3 * 1 + 1 * 3 flit-hops.
%e = token.actor "conv2" columns 0 to 2 of 2 lines 0 to 2 of 4 reads %a, %b, %c, %d, %a, %b rates [1.0, 0.0] core 4 place [2, 0] routes [#token.route<(2, 0), (3, 0) weight 3 credits 1>, #token.route<(2, 0), (2, 1), (3, 1), (3, 0) tree 1 channel 1 credits 1>] memory {weights_at = 0 : i64, weights_bytes = 3 : i64, membranes_at = 0 : i64, membranes_bytes = 6 : i64, tracers_at = 0 : i64, tracers_bytes = 1 : i64} : !token.stream<4x1 in 0 to 3>, !token.stream<4x1 in 0 to 3>, !token.stream<4x1 in 0 to 3>, !token.stream<4x1 in 0 to 3>, !token.stream<4x1 in 0 to 3>, !token.stream<4x1 in 0 to 3> -> !token.stream<4x2 in 0 to 3> {
^bb0(%0: !token.stream<4x1 in 0 to 3>, %1: !token.stream<4x1 in 0 to 3>, %2: !token.stream<4x1 in 0 to 3>, %3: !token.stream<4x1 in 0 to 3>, %4: !token.stream<4x1 in 0 to 3>, %5: !token.stream<4x1 in 0 to 3>):
  token.accumulate %0 weight @w2 map <4x2 to 4x2 window <kernel [3, 1], pads [1, 0, 1, 0]>> groups 1 : !token.stream<4x1 in 0 to 3>
  token.accumulate %1 from 1 weight @w2 map <4x2 to 4x2 window <kernel [3, 1], pads [1, 0, 1, 0]>> groups 1 : !token.stream<4x1 in 0 to 3>
  token.accumulate %2 spine 4 weight @w2 map <4x2 to 4x2 window <kernel [3, 1], pads [1, 0, 1, 0]>> groups 1 : !token.stream<4x1 in 0 to 3>
  token.accumulate %3 from 1 spine 4 weight @w2 map <4x2 to 4x2 window <kernel [3, 1], pads [1, 0, 1, 0]>> groups 1 : !token.stream<4x1 in 0 to 3>
  token.add %4 by @ones map <4x2 to 4x2 window <kernel [1, 1]>> : !token.stream<4x1 in 0 to 3>
  token.add %5 from 1 by @ones map <4x2 to 4x2 window <kernel [1, 1]>> : !token.stream<4x1 in 0 to 3>
  token.fire stairs @stairs alphabet ternary bits 7
}
%f = token.actor "conv2" columns 0 to 2 of 2 lines 2 to 4 of 4 reads %a, %b, %c, %d, %c, %d rates [1.0, 0.0] core 5 place [2, 1] routes [#token.route<(2, 1), (3, 1), (3, 0) credits 1>] memory {weights_at = 0 : i64, weights_bytes = 3 : i64, membranes_at = 0 : i64, membranes_bytes = 6 : i64, tracers_at = 0 : i64, tracers_bytes = 1 : i64} : !token.stream<4x1 in 0 to 3>, !token.stream<4x1 in 0 to 3>, !token.stream<4x1 in 0 to 3>, !token.stream<4x1 in 0 to 3>, !token.stream<4x1 in 0 to 3>, !token.stream<4x1 in 0 to 3> -> !token.stream<4x2 in 0 to 3> {
^bb0(%0: !token.stream<4x1 in 0 to 3>, %1: !token.stream<4x1 in 0 to 3>, %2: !token.stream<4x1 in 0 to 3>, %3: !token.stream<4x1 in 0 to 3>, %4: !token.stream<4x1 in 0 to 3>, %5: !token.stream<4x1 in 0 to 3>):
  token.accumulate %0 weight @w2 map <4x2 to 4x2 window <kernel [3, 1], pads [1, 0, 1, 0]>> groups 1 : !token.stream<4x1 in 0 to 3>
  token.accumulate %1 from 1 weight @w2 map <4x2 to 4x2 window <kernel [3, 1], pads [1, 0, 1, 0]>> groups 1 : !token.stream<4x1 in 0 to 3>
  token.accumulate %2 spine 4 weight @w2 map <4x2 to 4x2 window <kernel [3, 1], pads [1, 0, 1, 0]>> groups 1 : !token.stream<4x1 in 0 to 3>
  token.accumulate %3 from 1 spine 4 weight @w2 map <4x2 to 4x2 window <kernel [3, 1], pads [1, 0, 1, 0]>> groups 1 : !token.stream<4x1 in 0 to 3>
  token.add %4 spine 4 by @ones map <4x2 to 4x2 window <kernel [1, 1]>> : !token.stream<4x1 in 0 to 3>
  token.add %5 from 1 spine 4 by @ones map <4x2 to 4x2 window <kernel [1, 1]>> : !token.stream<4x1 in 0 to 3>
  token.fire stairs @stairs alphabet ternary bits 7
}

// A max-pool of one column a tile, two tiles on one core. Each has the tracers of the 8 places of its input and
// of its own 2 rows, 2 bits each: 3 bytes, one tile behind the other. 3 cycles a row, 12 for both tiles.
%g = token.actor "pool" columns 0 to 1 of 2 reads %e, %f rates [1.0, 0.0] core 6 place [3, 0] routes [#token.route<(3, 0), (3, 1) credits 1>] memory {weights_at = 0 : i64, weights_bytes = 0 : i64, membranes_at = 0 : i64, membranes_bytes = 0 : i64, tracers_at = 0 : i64, tracers_bytes = 3 : i64} : !token.stream<4x2 in 0 to 3>, !token.stream<4x2 in 0 to 3> -> !token.stream<2x1 in 0 to 3> {
^bb0(%0: !token.stream<4x2 in 0 to 3>, %1: !token.stream<4x2 in 0 to 3>):
  token.trace %0 map <4x2 to 2x1 window <kernel [2, 2], stride [2, 2]>> : !token.stream<4x2 in 0 to 3>
  token.trace %1 spine 4 map <4x2 to 2x1 window <kernel [2, 2], stride [2, 2]>> : !token.stream<4x2 in 0 to 3>
  token.maximum map <4x2 to 2x1 window <kernel [2, 2], stride [2, 2]>> alphabet ternary
}
%h = token.actor "pool" columns 1 to 2 of 2 reads %e, %f rates [1.0, 0.0] core 6 place [3, 0] routes [#token.route<(3, 0), (3, 1) credits 1>] memory {weights_at = 0 : i64, weights_bytes = 0 : i64, membranes_at = 0 : i64, membranes_bytes = 0 : i64, tracers_at = 3 : i64, tracers_bytes = 3 : i64} : !token.stream<4x2 in 0 to 3>, !token.stream<4x2 in 0 to 3> -> !token.stream<2x1 in 0 to 3> {
^bb0(%0: !token.stream<4x2 in 0 to 3>, %1: !token.stream<4x2 in 0 to 3>):
  token.trace %0 map <4x2 to 2x1 window <kernel [2, 2], stride [2, 2]>> : !token.stream<4x2 in 0 to 3>
  token.trace %1 spine 4 map <4x2 to 2x1 window <kernel [2, 2], stride [2, 2]>> : !token.stream<4x2 in 0 to 3>
  token.maximum map <4x2 to 2x1 window <kernel [2, 2], stride [2, 2]>> alphabet ternary
}

// An index map says itself what it follows: both columns of the pool.
%i = token.actor "flip" columns 0 to 2 of 2 reads %g, %h rates [1.0, 0.0] core 7 place [3, 1] routes [] memory {weights_at = 0 : i64, weights_bytes = 0 : i64, membranes_at = 0 : i64, membranes_bytes = 1 : i64, tracers_at = 0 : i64, tracers_bytes = 1 : i64} : !token.stream<2x1 in 0 to 3>, !token.stream<2x1 in 0 to 3> -> !token.stream<2x2 in 0 to 3> {
^bb0(%0: !token.stream<2x1 in 0 to 3>, %1: !token.stream<2x1 in 0 to 3>):
  token.scatter %0 of 2 at @swap : !token.stream<2x1 in 0 to 3>
  token.scatter %1 from 1 of 2 at @swap : !token.stream<2x1 in 0 to 3>
  token.flow alphabet ternary bits 4
}
%j = token.actor "fc" columns 0 to 1 of 1 reads %i rates [0.0, 0.0] core 7 place [3, 1] routes [] memory {weights_at = 0 : i64, weights_bytes = 2 : i64, membranes_at = 1 : i64, membranes_bytes = 1 : i64, tracers_at = 1 : i64, tracers_bytes = 0 : i64} : !token.stream<2x2 in 0 to 3> -> !token.stream<1x1 in 0 to 0> {
^bb0(%0: !token.stream<2x2 in 0 to 3>):
  token.accumulate %0 weight @w3 map <2x1 to 1x1 window <kernel [2, 1]>> groups 1 : !token.stream<2x2 in 0 to 3>
  token.hold bits 8
}
token.probe "conv1" %a, %b, %c, %d shape [2, 4, 2] zero 0 as "UINT4" : !token.stream<4x1 in 0 to 3>, !token.stream<4x1 in 0 to 3>, !token.stream<4x1 in 0 to 3>, !token.stream<4x1 in 0 to 3>
token.readout "fc" %j shape [1] factor @one offset @one : !token.stream<1x1 in 0 to 0>

// The busiest cores have 12 cycles. Across cores, conv1 has 8 flits to send, conv2 its 8 to each tile of the
// pool, and the pool 2; flip and fc are together. (These 26 are what a partition goes by, before it is known who
// needs which columns and halos.)
//
// From x, conv1 (four times), conv2 (twice) and pool (twice), placement has 14 + (10 + 6 + 10 + 6) + (4 + 8) +
// (2 + 2) flit-hops; routing 18 + (10 + 6 + 10 + 6) + (6 + 8) + (2 + 2), for x has a tree of three links in a box
// of 1x1, and conv2 a detour. The busiest link, from (0, 0) to (1, 0), carries 6 flits of x and 4 of conv1.
token.claim "partition" {bottleneck = 12 : i64, bound = 12 : i64, cores = 8 : i64, crossing = 26 : i64, objective = "latency"}
token.claim "placement" {flit_hops = 62 : i64, bound = 50 : i64, method = "anneal"}

// In this order every packet takes the channels of its links (x, y, to x, y, channel), none ever one before
// another that it holds: nobody can wait for ever (Dally and Seitz 1987).
token.claim "routing" {flit_hops = 68 : i64, max_link = 10 : i64, channels = 2 : i64, order = array<i64: 0, 0, 1, 0, 0, 0, 0, 0, 1, 0, 0, 1, 1, 1, 0, 1, 0, 2, 0, 0, 1, 1, 2, 1, 0, 2, 0, 2, 1, 0, 2, 0, 3, 0, 0, 2, 1, 2, 0, 0, 2, 1, 3, 1, 0, 3, 0, 3, 1, 0, 3, 1, 3, 0, 0, 2, 0, 2, 1, 1, 2, 1, 3, 1, 1, 3, 1, 3, 0, 1>}

// CHECK: token.claim "partition" {bottleneck = 12 : i64
// CHECK: token.claim "placement" {flit_hops = 62 : i64
// CHECK: token.claim "routing" {flit_hops = 68 : i64, max_link = 10 : i64, channels = 2 : i64
