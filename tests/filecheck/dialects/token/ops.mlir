// RUN: %elsac-opt %s | %elsac-opt | filecheck %s
// RUN: %elsac-opt %s --print-op-generic | %elsac-opt | filecheck %s
// RUN: %elsac-opt %s --print-op-generic | filecheck %s --check-prefix GENERIC

net.blob @w : tensor<4x2x3x3xi8> from "sha256:01"
net.blob @stairs : tensor<3x1x4xi64> ints [-5, 0, 2, 4, 3, 9, 9, 12, 11, 18, 16, 20]
net.blob @classes : tensor<16xi32> ints [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]
net.blob @ones : tensor<4xi8> ints [1, 1, 1, 1]
net.blob @places : tensor<1x4xi32> ints [0, 1, -1, 2]
net.blob @scale : tensor<!net.rational> rationals ["1/3"]

// How spikes are bundled on the mesh: widths of a flit's fields, and the spikes that it holds.
token.packet_format "baer" flit 256 fields {spine = 12 : i64} capacity 17
// CHECK:   token.packet_format "baer" flit 256 fields {spine = 12 : i64} capacity 17
// GENERIC: "token.packet_format"() <{kind = "baer", flit = 256 : i64, fields = {spine = 12 : i64}, capacity = 17 : i64}> : () -> ()

// A stream has so many spines with so many columns each; its tracers stay within bounds. An input is one.
%x = token.source "x" shape [2, 8, 8] scale "0x1p-4" zero 3 as "UINT4" coding bitplane : !token.stream<64x2 in -3 to 12>
// CHECK:   %x = token.source "x" shape [2, 8, 8] scale "0x1p-4" zero 3 as "UINT4" coding bitplane : !token.stream<64x2 in -3 to 12>
// GENERIC: "token.source"() <{tensor_name = "x", shape = array<i64: 2, 8, 8>, scale = "0x1p-4", zero = 3 : i64, element_type = "UINT4", coding = #spiking<coding bitplane>}> : () -> !token.stream<64x2 in -3 to 12>

// Later passes say where it enters, along which places of the mesh its packets travel, and where data lie.
%y = token.source "y" shape [2] scale "1" zero 0 as "INT4" coding analog core 3 place [3, 0] routes [#token.route<(3, 0), (2, 0)>] memory {tracers_at = 8 : i64} : !token.stream<1x2 in 0 to 3>
// CHECK:   %y = token.source "y" shape [2] scale "1" zero 0 as "INT4" coding analog core 3 place [3, 0] routes [#token.route<(3, 0), (2, 0)>] memory {tracers_at = 8 : i64} : !token.stream<1x2 in 0 to 3>
// GENERIC: core = 3 : i64, place = array<i64: 3, 0>, routes = [#token.route<(3, 0), (2, 0)>], memory = {tracers_at = 8 : i64}}>

// An actor is a tile of a layer: a range of its columns. Its body says what spikes of each stream do and
// how rows fire. The map says which rows a spine feeds, as the im2col unit finds them.
%a = token.actor "conv1" columns 0 to 4 of 8 reads %x : !token.stream<64x2 in -3 to 12> -> !token.stream<16x4 in 0 to 3> {
^bb0(%0: !token.stream<64x2 in -3 to 12>):
  token.accumulate %0 weight @w map <8x8 to 4x4 window <kernel [3, 3], stride [2, 2], pads [1, 1, 0, 0]>> groups 1 : !token.stream<64x2 in -3 to 12>
  token.fire stairs @stairs alphabet ternary bits 9
}
// CHECK:   %a = token.actor "conv1" columns 0 to 4 of 8 reads %x : !token.stream<64x2 in -3 to 12> -> !token.stream<16x4 in 0 to 3> {
// CHECK:     token.accumulate %{{.*}} weight @w map <8x8 to 4x4 window <kernel [3, 3], stride [2, 2], pads [1, 1, 0, 0]>> groups 1 : !token.stream<64x2 in -3 to 12>
// CHECK:     token.fire stairs @stairs alphabet ternary bits 9
// GENERIC: "token.actor"(%x) <{layer = "conv1", first = 0 : i64, last = 4 : i64, total = 8 : i64}> ({
// GENERIC:   "token.accumulate"(%{{.*}}) <{weight = @w, map = #token.map<8x8 to 4x4 window <kernel [3, 3], stride [2, 2], pads [1, 1, 0, 0]>>, groups = 1 : i64, shift = 0 : i64, base = 0 : i64, spine = 0 : i64}>
// GENERIC:   "token.fire"() <{stairs = @stairs, alphabet = #spiking<alphabet ternary>, bits = 9 : i64}>

// `from` is the first column of a stream that is a tile itself; a shift scales the weights of one branch.
// Where thresholds change over the map, rows have classes. A skip path adds one constant per column.
%b = token.actor "conv2" columns 4 to 8 of 8 reads %a, %a core 1 place [1, 0] routes [] memory {} : !token.stream<16x4 in 0 to 3>, !token.stream<16x4 in 0 to 3> -> !token.stream<16x4 in 0 to 3> {
^bb0(%1: !token.stream<16x4 in 0 to 3>, %2: !token.stream<16x4 in 0 to 3>):
  token.accumulate %1 from 4 weight @w map <4x4 to 4x4 window <kernel [1, 1]>> groups 2 shift 5 : !token.stream<16x4 in 0 to 3>
  token.add %2 from 4 by @ones map <4x4 to 4x4 window <kernel [1, 1]>> : !token.stream<16x4 in 0 to 3>
  token.fire stairs @stairs classes @classes alphabet floor bits 9
}
// CHECK:   %b = token.actor "conv2" columns 4 to 8 of 8 reads %a, %a core 1 place [1, 0] routes [] memory {} :
// CHECK:     token.accumulate %{{.*}} from 4 weight @w map <4x4 to 4x4 window <kernel [1, 1]>> groups 2 shift 5 :
// CHECK:     token.add %{{.*}} from 4 by @ones map <4x4 to 4x4 window <kernel [1, 1]>> :
// CHECK:     token.fire stairs @stairs classes @classes alphabet floor bits 9
// GENERIC:   "token.add"(%{{.*}}) <{base = 4 : i64, constants = @ones, map = #token.map<4x4 to 4x4 window <kernel [1, 1]>>, spine = 0 : i64}>

// A max-pool follows the maximum of tracers that it has a copy of.
%max = token.actor "pool1" columns 0 to 4 of 4 reads %a : !token.stream<16x4 in 0 to 3> -> !token.stream<1x4 in 0 to 3> {
^bb0(%3: !token.stream<16x4 in 0 to 3>):
  token.trace %3 map <4x4 to 1x1 window <kernel [4, 4]>> : !token.stream<16x4 in 0 to 3>
  token.maximum map <4x4 to 1x1 window <kernel [4, 4]>> alphabet nearest
}
// CHECK:     token.trace %{{.*}} map <4x4 to 1x1 window <kernel [4, 4]>> :
// CHECK:     token.maximum map <4x4 to 1x1 window <kernel [4, 4]>> alphabet nearest
// GENERIC:   "token.trace"(%{{.*}}) <{map = {{.*}}, base = 0 : i64, spine = 0 : i64}>
// GENERIC:   "token.maximum"() <{map = {{.*}}, alphabet = #spiking<alphabet nearest>}>

// An index map passes spikes on to other places.
%turned = token.actor "turn1" columns 0 to 4 of 4 reads %max : !token.stream<1x4 in 0 to 3> -> !token.stream<1x4 in 0 to 3> {
^bb0(%4: !token.stream<1x4 in 0 to 3>):
  token.scatter %4 of 4 at @places : !token.stream<1x4 in 0 to 3>
  token.flow alphabet ternary bits 3
}
// CHECK:     token.scatter %{{.*}} of 4 at @places :
// CHECK:     token.flow alphabet ternary bits 3
// GENERIC:   "token.scatter"(%{{.*}}) <{channels = 4 : i64, index = @places, base = 0 : i64, spine = 0 : i64}>
// GENERIC:   "token.flow"() <{alphabet = #spiking<alphabet ternary>, bits = 3 : i64}>

// A layer without neurons holds its charge and sends nothing.
%sum = token.actor "fc" columns 0 to 4 of 4 reads %turned : !token.stream<1x4 in 0 to 3> -> !token.stream<1x4 in 0 to 0> {
^bb0(%5: !token.stream<1x4 in 0 to 3>):
  token.add %5 by @ones map <1x1 to 1x1 window <kernel [1, 1]>> : !token.stream<1x4 in 0 to 3>
  token.hold bits 3
}
// CHECK:     token.add %{{.*}} by @ones map
// CHECK:     token.hold bits 3
// GENERIC:   "token.hold"() <{bits = 3 : i64}>

// The host reads a tensor from the streams of all tiles of its layer, in the shape of the layer or
// rearranged; tracers as ONNX integers, charges as real numbers.
token.probe "a" %a, %b shape [8, 4, 4] zero 0 as "UINT4" : !token.stream<16x4 in 0 to 3>, !token.stream<16x4 in 0 to 3>
// CHECK:   token.probe "a" %a, %b shape [8, 4, 4] zero 0 as "UINT4" : !token.stream<16x4 in 0 to 3>, !token.stream<16x4 in 0 to 3>
// GENERIC: "token.probe"(%a, %b) <{tensor_name = "a", shape = array<i64: 8, 4, 4>, zero = 0 : i64, element_type = "UINT4"}>
token.probe "turned" %max shape [4] zero -8 as "INT4" at @places : !token.stream<1x4 in 0 to 3>
// CHECK:   token.probe "turned" %max shape [4] zero -8 as "INT4" at @places : !token.stream<1x4 in 0 to 3>
token.readout "max" %max shape [4, 1, 1] zero 0 as "UINT4" at @places : !token.stream<1x4 in 0 to 3>
// CHECK:   token.readout "max" %max shape [4, 1, 1] zero 0 as "UINT4" at @places : !token.stream<1x4 in 0 to 3>
// GENERIC: "token.readout"(%max) <{tensor_name = "max", shape = array<i64: 4, 1, 1>, zero = 0 : i64, element_type = "UINT4", index = @places}>
token.readout "logits" %sum shape [4] factor @scale offset @scale : !token.stream<1x4 in 0 to 0>
// CHECK:   token.readout "logits" %sum shape [4] factor @scale offset @scale : !token.stream<1x4 in 0 to 0>
// GENERIC: "token.readout"(%sum) <{tensor_name = "logits", shape = array<i64: 4>, factor = @scale, offset = @scale}>

// A tile may be a band of the layer's map as well: lines 0 to 2 of 4 are 8 of 16 rows. The PEs of its core divide
// columns and lines. `spine` is the first spine of a stream that is a band itself. Rates say how many of the
// neurons spike in each step, and a padded actor has the padding rule of the paper.
%band = token.actor "conv3" columns 0 to 4 of 4 lines 0 to 2 of 4 pes [2, 2] padded reads %a rates [0.25, 0.125] : !token.stream<16x4 in 0 to 3> -> !token.stream<8x4 in 0 to 3> {
^bb0(%6: !token.stream<16x4 in 0 to 3>):
  token.add %6 by @ones map <4x4 to 4x4 window <kernel [1, 1]>> : !token.stream<16x4 in 0 to 3>
  token.fire stairs @stairs alphabet ternary bits 9
}
// CHECK:   %band = token.actor "conv3" columns 0 to 4 of 4 lines 0 to 2 of 4 pes [2, 2] padded reads %a rates [2.5{{0*}}e-01, 1.25{{0*}}e-01] : !token.stream<16x4 in 0 to 3> -> !token.stream<8x4 in 0 to 3> {
// GENERIC: "token.actor"(%a) <{layer = "conv3", first = 0 : i64, last = 4 : i64, total = 4 : i64, first_line = 0 : i64, last_line = 2 : i64, lines = 4 : i64, pes = array<i64: 2, 2>, padded, rates = array<f64:

%next = token.actor "conv4" columns 0 to 4 of 4 lines 2 to 4 of 4 reads %band : !token.stream<8x4 in 0 to 3> -> !token.stream<8x4 in 0 to 3> {
^bb0(%7: !token.stream<8x4 in 0 to 3>):
  token.add %7 from 0 spine 8 by @ones map <4x4 to 4x4 window <kernel [1, 1]>> : !token.stream<8x4 in 0 to 3>
  token.fire stairs @stairs alphabet ternary bits 9
}
// CHECK:     token.add %{{.*}} spine 8 by @ones map

// Spines of a step enter in an order; raster, if none is named. Several trees share the spines of a stream by
// weight; each has a virtual channel. Some spines go to one core only, which keeps room for so many flits.
%z = token.source "z" shape [1, 4, 4] scale "1" zero 0 as "UINT4" coding bitplane order "shells" rates [0.5] routes [#token.route<(0, 0), (1, 0) weight 2>, #token.route<(0, 0), (0, 1), (1, 1), (1, 0) tree 1 channel 1 spines 0 to 8 credits 4>] : !token.stream<16x1 in 0 to 15>
// CHECK:   %z = token.source "z" shape [1, 4, 4] scale "1" zero 0 as "UINT4" coding bitplane order "shells" rates [5.{{0*}}e-01] routes [#token.route<(0, 0), (1, 0) weight 2>, #token.route<(0, 0), (0, 1), (1, 1), (1, 0) tree 1 channel 1 spines 0 to 8 credits 4>] : !token.stream<16x1 in 0 to 15>

// What passes say of the whole, to be verified.
token.claim "placement" {flit_hops = 12 : i64, method = "anneal"}
// CHECK:   token.claim "placement" {flit_hops = 12 : i64, method = "anneal"}
// GENERIC: "token.claim"() <{subject = "placement", figures = {flit_hops = 12 : i64, method = "anneal"}}> : () -> ()
