// RUN: %elsac-opt %s --split-input-file --verify-diagnostics --parsing-diagnostics | filecheck %s

%x = "test.op"() : () -> !token.stream<0x4 in 0 to 3>
// CHECK: a stream has at least one spine and one column

// -----

%x = "test.op"() : () -> !token.stream<1x4 in 1 to 3>
// CHECK: the bounds of a stream hold 0, the tracer of a silent neuron

// -----

"test.op"() {m = #token.map<8x8x8 to 4x4 window <kernel [3, 3]>>} : () -> ()
// CHECK: a map has a height and a width

// -----

// Routes go from core to neighbouring core.
"test.op"() {r = #token.route<>} : () -> ()
// CHECK: expected

// -----

"test.op"() {r = #token.route<(1, 2, 3)>} : () -> ()
// CHECK: a place is given as (x, y)

// -----

"test.op"() {r = #token.route<(0, 0), (1, 1)>} : () -> ()
// CHECK: (0, 0) and (1, 1) of a route are not neighbours

// -----

"test.op"() {r = #token.route<(0, 0), (0, 0)>} : () -> ()
// CHECK: (0, 0) and (0, 0) of a route are not neighbours

// -----

"test.op"() {r = #token.route<(0, 0), (1, 0) weight 0>} : () -> ()
// CHECK: tree, channel and credits of a route are 0 at least, weight 1

// -----

"test.op"() {r = #token.route<(0, 0), (1, 0) spines 4 to 4>} : () -> ()
// CHECK: the spines of a route are a range, from 0 on

// -----

"test.op"() {r = #token.route<(0, 0), (1, 0) colour 1>} : () -> ()
// CHECK: expected spines, tree, weight, channel, credits, got 'colour'

// -----

// Actors

%y = token.actor "a" columns 2 to 2 of 4 reads : -> !token.stream<1x1 in 0 to 3> {
  token.flow alphabet ternary bits 3
}
// CHECK: the columns of a tile are a range of the layer's

// -----

%y = token.actor "a" columns 0 to 4 of 4 lines 1 to 1 of 4 reads : -> !token.stream<4x4 in 0 to 3> {
  token.flow alphabet ternary bits 3
}
// CHECK: the lines of a tile are a range of the layer's

// -----

"builtin.module"() ({
  %y = "token.actor"() <{layer = "a", first = 0 : i64, last = 4 : i64, total = 4 : i64, lines = 4 : i64}> ({
    "token.flow"() <{alphabet = #spiking<alphabet ternary>, bits = 3 : i64}> : () -> ()
  }) : () -> !token.stream<4x4 in 0 to 3>
}) : () -> ()
// CHECK: the lines of a tile are given as first, last and total

// -----

%y = token.actor "a" columns 0 to 4 of 4 lines 0 to 3 of 4 reads : -> !token.stream<4x4 in 0 to 3> {
  token.flow alphabet ternary bits 3
}
// CHECK: a tile sends whole lines of the map

// -----

%y = token.actor "a" columns 0 to 4 of 4 pes [4, 0] reads : -> !token.stream<4x4 in 0 to 3> {
  token.flow alphabet ternary bits 3
}
// CHECK: PEs divide a tile into parts of its columns and of its lines

// -----

%y = token.actor "a" columns 0 to 4 of 4 reads rates [1.5] : -> !token.stream<4x4 in 0 to 3> {
  token.flow alphabet ternary bits 3
}
// CHECK: a rate is a share of the neurons, 0 to 1

// -----

%y = token.actor "a" columns 2 to 5 of 4 reads : -> !token.stream<1x3 in 0 to 3> {
  token.flow alphabet ternary bits 3
}
// CHECK: the columns of a tile are a range of the layer's

// -----

%y = token.actor "a" columns 2 to 4 of 4 reads : -> !token.stream<1x4 in 0 to 3> {
  token.flow alphabet ternary bits 3
}
// CHECK: a tile sends as many columns as it holds

// -----

%x = "test.op"() : () -> !token.stream<1x4 in 0 to 3>
%y = token.actor "a" columns 0 to 4 of 4 reads %x : !token.stream<1x4 in 0 to 3> -> !token.stream<1x4 in 0 to 3> {
  token.flow alphabet ternary bits 3
}
// CHECK: the body of an actor has one argument for each stream that it reads

// -----

%x = "test.op"() : () -> !token.stream<1x4 in 0 to 3>
%y = token.actor "a" columns 0 to 4 of 4 reads %x : !token.stream<1x4 in 0 to 3> -> !token.stream<1x4 in 0 to 3> {
^bb0(%0: !token.stream<1x4 in 0 to 3>):
  token.scatter %0 of 4 at @places : !token.stream<1x4 in 0 to 3>
  "test.termop"() : () -> ()
}
// CHECK: the body of an actor ends in fire, softmax, norm, curve, maximum, flow or hold

// -----

// One step for each stream: none is left out, read twice, read from outside, or read out of order.

%x = "test.op"() : () -> !token.stream<1x4 in 0 to 3>
%y = token.actor "a" columns 0 to 4 of 4 reads %x, %x : !token.stream<1x4 in 0 to 3>, !token.stream<1x4 in 0 to 3> -> !token.stream<1x4 in 0 to 3> {
^bb0(%0: !token.stream<1x4 in 0 to 3>, %1: !token.stream<1x4 in 0 to 3>):
  token.scatter %0 of 4 at @places : !token.stream<1x4 in 0 to 3>
  token.flow alphabet ternary bits 3
}
// CHECK: the body of an actor has one step for each stream that it reads, in their order

// -----

%x = "test.op"() : () -> !token.stream<1x4 in 0 to 3>
%y = token.actor "a" columns 0 to 4 of 4 reads %x, %x : !token.stream<1x4 in 0 to 3>, !token.stream<1x4 in 0 to 3> -> !token.stream<1x4 in 0 to 3> {
^bb0(%0: !token.stream<1x4 in 0 to 3>, %1: !token.stream<1x4 in 0 to 3>):
  token.scatter %0 of 4 at @places : !token.stream<1x4 in 0 to 3>
  token.scatter %0 of 4 at @places : !token.stream<1x4 in 0 to 3>
  token.flow alphabet ternary bits 3
}
// CHECK: the body of an actor has one step for each stream that it reads, in their order

// -----

%x = "test.op"() : () -> !token.stream<1x4 in 0 to 3>
%y = token.actor "a" columns 0 to 4 of 4 reads %x, %x : !token.stream<1x4 in 0 to 3>, !token.stream<1x4 in 0 to 3> -> !token.stream<1x4 in 0 to 3> {
^bb0(%0: !token.stream<1x4 in 0 to 3>, %1: !token.stream<1x4 in 0 to 3>):
  token.scatter %1 of 4 at @places : !token.stream<1x4 in 0 to 3>
  token.scatter %0 of 4 at @places : !token.stream<1x4 in 0 to 3>
  token.flow alphabet ternary bits 3
}
// CHECK: the body of an actor has one step for each stream that it reads, in their order

// -----

%x = "test.op"() : () -> !token.stream<1x4 in 0 to 3>
%y = token.actor "a" columns 0 to 4 of 4 reads %x, %x : !token.stream<1x4 in 0 to 3>, !token.stream<1x4 in 0 to 3> -> !token.stream<1x4 in 0 to 3> {
^bb0(%0: !token.stream<1x4 in 0 to 3>, %1: !token.stream<1x4 in 0 to 3>):
  token.scatter %0 of 4 at @places : !token.stream<1x4 in 0 to 3>
  token.scatter %1 of 4 at @places : !token.stream<1x4 in 0 to 3>
  token.scatter %1 of 4 at @places : !token.stream<1x4 in 0 to 3>
  token.flow alphabet ternary bits 3
}
// CHECK: the body of an actor has one step for each stream that it reads, in their order

// -----

%x = "test.op"() : () -> !token.stream<1x4 in 0 to 3>
%y = token.actor "a" columns 0 to 4 of 4 reads %x, %x : !token.stream<1x4 in 0 to 3>, !token.stream<1x4 in 0 to 3> -> !token.stream<1x4 in 0 to 3> {
^bb0(%0: !token.stream<1x4 in 0 to 3>, %1: !token.stream<1x4 in 0 to 3>):
  token.scatter %0 of 4 at @places : !token.stream<1x4 in 0 to 3>
  token.scatter %x of 4 at @places : !token.stream<1x4 in 0 to 3>
  token.flow alphabet ternary bits 3
}
// CHECK: the body of an actor has one step for each stream that it reads, in their order

// -----

%x = "test.op"() : () -> !token.stream<1x4 in 0 to 3>
%y = token.actor "a" columns 0 to 4 of 4 reads %x, %x : !token.stream<1x4 in 0 to 3>, !token.stream<1x4 in 0 to 3> -> !token.stream<1x4 in 0 to 3> {
^bb0(%0: !token.stream<1x4 in 0 to 3>, %1: !token.stream<1x4 in 0 to 3>):
  token.scatter %0 of 4 at @places : !token.stream<1x4 in 0 to 3>
  "test.op"() : () -> ()
  token.scatter %1 of 4 at @places : !token.stream<1x4 in 0 to 3>
  token.flow alphabet ternary bits 3
}
// CHECK: the body of an actor has one step for each stream that it reads, in their order

// -----

%x = "test.op"() : () -> !token.stream<1x4 in 0 to 3>
%y = token.actor "a" columns 0 to 4 of 4 reads %x, %x : !token.stream<1x4 in 0 to 3>, !token.stream<1x4 in 0 to 3> -> !token.stream<1x4 in 0 to 3> {
^bb0(%0: !token.stream<1x4 in 0 to 3>, %1: !token.stream<1x4 in 0 to 3>):
  token.scatter %0 of 4 at @places : !token.stream<1x4 in 0 to 3>
  "test.op"(%1) : (!token.stream<1x4 in 0 to 3>) -> ()
  token.flow alphabet ternary bits 3
}
// CHECK: the body of an actor has one step for each stream that it reads, in their order

// -----

%x = token.source "x" shape [1] scale "1" zero 0 as "UINT4" coding bitplane core 0 place [0, 0, 0] : !token.stream<1x1 in 0 to 3>
// CHECK: a place is given as [x, y]

// -----

// What is in a body: a stream is a band of whole lines of the map.

%x = "test.op"() : () -> !token.stream<4x2 in 0 to 3>
token.accumulate %x weight @w map <3x3 to 1x1 window <kernel [3, 3]>> groups 1 : !token.stream<4x2 in 0 to 3>
// CHECK: spines 0 to 4 are no lines of a map of 3x3

// -----

%x = "test.op"() : () -> !token.stream<4x2 in 0 to 3>
token.add %x by @c map <3x3 to 1x1 window <kernel [3, 3]>> : !token.stream<4x2 in 0 to 3>
// CHECK: spines 0 to 4 are no lines of a map of 3x3

// -----

%x = "test.op"() : () -> !token.stream<4x2 in 0 to 3>
token.trace %x map <3x3 to 1x1 window <kernel [3, 3]>> : !token.stream<4x2 in 0 to 3>
// CHECK: spines 0 to 4 are no lines of a map of 3x3

// -----

%x = "test.op"() : () -> !token.stream<4x2 in 0 to 3>
token.accumulate %x weight @w map <2x2 to 1x1 window <kernel [2, 2]>> groups 1 shift 32 : !token.stream<4x2 in 0 to 3>
// CHECK: a shift is 0 to 31 bits

// -----

%x = "test.op"() : () -> !token.stream<4x2 in 0 to 3>
token.scatter %x from 4 of 4 at @places : !token.stream<4x2 in 0 to 3>
// CHECK: a stream starts at one of its layer's columns

// -----

// What the host reads

%x = "test.op"() : () -> !token.stream<1x2 in 0 to 3>
token.readout "x" %x shape [2] : !token.stream<1x2 in 0 to 3>
// CHECK: a readout has factor and offset, or zero and element type

// -----

%x = "test.op"() : () -> !token.stream<1x2 in 0 to 3>
token.readout "x" %x shape [2] factor @f offset @f zero 0 as "UINT4" : !token.stream<1x2 in 0 to 3>
// CHECK: a readout has factor and offset, or zero and element type

// -----

token.packet_format "baer" flit 32 fields {} capacity 0
// CHECK: a flit holds at least one spike
