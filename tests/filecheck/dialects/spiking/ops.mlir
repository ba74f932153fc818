// RUN: %elsac-opt %s | %elsac-opt | filecheck %s
// RUN: %elsac-opt %s --print-op-generic | %elsac-opt | filecheck %s
// RUN: %elsac-opt %s --print-op-generic | filecheck %s --check-prefix GENERIC

net.blob @w : tensor<4x1x3x3xi8> from "sha256:01"
net.blob @v : tensor<4x2xi8> ints [1, -2, 3, -4, 5, -6, 7, -7]
net.blob @ones : tensor<4xi64> ints [1, 1, 1, 1]
net.blob @stairs : tensor<3x4x1x1xi64> ints [-5, 0, 2, 4, 3, 9, 9, 12, 11, 18, 16, 20]
net.blob @flat : tensor<4xi64> ints [3, 2, 1, -1]
net.blob @factor : tensor<!net.rational> rationals ["1/3"]

// A train brings spikes step by step; its type bounds the tracers, the sums of all spikes so far. How
// the integers of an input enter is its coding: bit by bit (adds and shifts only), as unit spikes, or
// at once.
%image = spiking.input "image" scale "0x1p-4" zero 3 as "UINT4" coding bitplane : !spiking.train<2x8x8 in -3 to 12>
// CHECK: %image = spiking.input "image" scale "0x1p-4" zero 3 as "UINT4" coding bitplane : !spiking.train<2x8x8 in -3 to 12>
// GENERIC: "spiking.input"() <{tensor_name = "image", scale = "0x1p-4", zero = 3 : i64, element_type = "UINT4", coding = #spiking<coding bitplane>}>
%unit = spiking.input "image" scale "0x1p-4" zero 3 as "UINT4" coding spikes : !spiking.train<2x8x8 in -3 to 12>
// CHECK: %unit = spiking.input "image" scale "0x1p-4" zero 3 as "UINT4" coding spikes
%once = spiking.input "image" scale "1/16" zero 3 as "UINT4" coding analog : !spiking.train<2x8x8 in -3 to 12>
// CHECK: %once = spiking.input "image" scale "1/16" zero 3 as "UINT4" coding analog

// Synapses are linear: they turn spikes into integers that the charge of a neuron adds up.
%conv = spiking.conv %image weight @w window <kernel [3, 3], stride [2, 2], pads [1, 1, 1, 1]> groups 2 : !spiking.train<2x8x8 in -3 to 12> -> !spiking.current<4x4x4>
// CHECK: %conv = spiking.conv %image weight @w window <kernel [3, 3], stride [2, 2], pads [1, 1, 1, 1]> groups 2 : !spiking.train<2x8x8 in -3 to 12> -> !spiking.current<4x4x4>
// GENERIC: "spiking.conv"(%image) <{weight = @w, window = #net.window<kernel [3, 3], stride [2, 2], pads [1, 1, 1, 1]>, groups = 2 : i64, shift = 0 : i64}>

// Two synapse maps with different scales meet in one charge with shifted weights.
%shifted = spiking.conv %image weight @w window <kernel [3, 3], stride [2, 2], pads [1, 1, 1, 1]> groups 2 shift 5 : !spiking.train<2x8x8 in -3 to 12> -> !spiking.current<4x4x4>
// CHECK: %shifted = spiking.conv {{.*}} groups 2 shift 5 :
%joined = spiking.join %conv, %shifted : !spiking.current<4x4x4>, !spiking.current<4x4x4> -> !spiking.current<4x4x4>
// CHECK: %joined = spiking.join %conv, %shifted : !spiking.current<4x4x4>, !spiking.current<4x4x4> -> !spiking.current<4x4x4>
// GENERIC: "spiking.join"(%conv, %shifted)

// A neuron compares its charge with a staircase of thresholds, one for each level above the lowest,
// and fires towards the level that the charge has reached. The paper's spikes are ternary.
%a = spiking.neuron %joined stairs @stairs : !spiking.current<4x4x4> -> !spiking.train<4x4x4 in 0 to 3>
// CHECK: %a = spiking.neuron %joined stairs @stairs : !spiking.current<4x4x4> -> !spiking.train<4x4x4 in 0 to 3>
// GENERIC: "spiking.neuron"(%joined) <{stairs = @stairs, alphabet = #spiking<alphabet ternary>}>

// Signed powers of two get there in fewer steps. With a proved range of the charge comes a width.
%b = spiking.neuron %joined stairs @stairs alphabet floor charge -70 to 200 : !spiking.current<4x4x4> -> !spiking.train<4x4x4 in 0 to 3>
// CHECK: %b = spiking.neuron %joined stairs @stairs alphabet floor charge -70 to 200 : !spiking.current<4x4x4>
%c = spiking.neuron %joined stairs @stairs alphabet nearest charge -70 to 200 bits 9 : !spiking.current<4x4x4> -> !spiking.train<4x4x4 in 0 to 3>
// CHECK: %c = spiking.neuron %joined stairs @stairs alphabet nearest charge -70 to 200 bits 9 : !spiking.current<4x4x4>
// GENERIC: "spiking.neuron"(%joined) <{stairs = @stairs, alphabet = #spiking<alphabet nearest>, charge_lo = -70 : i64, charge_hi = 200 : i64, bits = 9 : i64}>

// An average pool adds, with one constant for each channel; so does a skip path, one to one.
%sum = spiking.sum_pool %a by @ones window <kernel [2, 2], stride [2, 2]> : !spiking.train<4x4x4 in 0 to 3> -> !spiking.current<4x2x2>
// CHECK: %sum = spiking.sum_pool %a by @ones window <kernel [2, 2], stride [2, 2]> : !spiking.train<4x4x4 in 0 to 3> -> !spiking.current<4x2x2>
// GENERIC: "spiking.sum_pool"(%a) <{constants = @ones, window = #net.window<kernel [2, 2], stride [2, 2]>}>
%skip = spiking.relay %a by @ones : !spiking.train<4x4x4 in 0 to 3> -> !spiking.current<4x4x4>
// CHECK: %skip = spiking.relay %a by @ones : !spiking.train<4x4x4 in 0 to 3> -> !spiking.current<4x4x4>
// GENERIC: "spiking.relay"(%a) <{constants = @ones}>

// A max pool, an index map and a concatenation send spikes of their own, in an alphabet.
%max = spiking.max_pool %a window <kernel [2, 2], stride [2, 2]> : !spiking.train<4x4x4 in 0 to 3> -> !spiking.train<4x2x2 in 0 to 3>
// CHECK: %max = spiking.max_pool %a window <kernel [2, 2], stride [2, 2]> : !spiking.train<4x4x4 in 0 to 3> -> !spiking.train<4x2x2 in 0 to 3>
// GENERIC: "spiking.max_pool"(%a) <{window = #net.window<kernel [2, 2], stride [2, 2]>, alphabet = #spiking<alphabet ternary>}>
%max_floor = spiking.max_pool %a window <kernel [4, 4]> alphabet floor : !spiking.train<4x4x4 in 0 to 3> -> !spiking.train<4x1x1 in 0 to 3>
// CHECK: %max_floor = spiking.max_pool %a window <kernel [4, 4]> alphabet floor :
%row = spiking.index %max_floor at @flat for "Flatten" : !spiking.train<4x1x1 in 0 to 3> -> !spiking.train<4 in 0 to 3>
// CHECK: %row = spiking.index %max_floor at @flat for "Flatten" : !spiking.train<4x1x1 in 0 to 3> -> !spiking.train<4 in 0 to 3>
// GENERIC: "spiking.index"(%max_floor) <{index = @flat, why = "Flatten", alphabet = #spiking<alphabet ternary>}>
%row_nearest = spiking.index %max_floor at @flat for "Flatten" alphabet nearest : !spiking.train<4x1x1 in 0 to 3> -> !spiking.train<4 in 0 to 3>
// CHECK: %row_nearest = spiking.index %max_floor at @flat for "Flatten" alphabet nearest :
%both = spiking.concat %a, %b axis 0 : !spiking.train<4x4x4 in 0 to 3>, !spiking.train<4x4x4 in 0 to 3> -> !spiking.train<8x4x4 in 0 to 3>
// CHECK: %both = spiking.concat %a, %b axis 0 : !spiking.train<4x4x4 in 0 to 3>, !spiking.train<4x4x4 in 0 to 3> -> !spiking.train<8x4x4 in 0 to 3>
// GENERIC: "spiking.concat"(%a, %b) <{axis = 0 : i64, alphabet = #spiking<alphabet ternary>}>
%both_floor = spiking.concat %a, %b axis 2 alphabet floor : !spiking.train<4x4x4 in 0 to 3>, !spiking.train<4x4x4 in 0 to 3> -> !spiking.train<4x4x8 in 0 to 3>
// CHECK: %both_floor = spiking.concat %a, %b axis 2 alphabet floor :

%dense = spiking.dense %row weight @v : !spiking.train<4 in 0 to 3> -> !spiking.current<2>
// CHECK: %dense = spiking.dense %row weight @v : !spiking.train<4 in 0 to 3> -> !spiking.current<2>
// GENERIC: "spiking.dense"(%row) <{weight = @v, shift = 0 : i64}>
%dense_shifted = spiking.dense %row weight @v shift 3 : !spiking.train<4 in 0 to 3> -> !spiking.current<2>
// CHECK: %dense_shifted = spiking.dense %row weight @v shift 3 :

// A tensor of the file keeps its name. Where index maps were folded away, a probe rearranges.
spiking.probe "a_quantized" %a zero -8 as "INT4" : !spiking.train<4x4x4 in 0 to 3>
// CHECK: spiking.probe "a_quantized" %a zero -8 as "INT4" : !spiking.train<4x4x4 in 0 to 3>
// GENERIC: "spiking.probe"(%a) <{tensor_name = "a_quantized", zero = -8 : i64, element_type = "INT4"}>
spiking.probe "row_quantized" %max_floor zero 0 as "UINT4" at @flat : !spiking.train<4x1x1 in 0 to 3>
// CHECK: spiking.probe "row_quantized" %max_floor zero 0 as "UINT4" at @flat : !spiking.train<4x1x1 in 0 to 3>

// A current is read as charge * factor + offset, at any step; a train as q = tracer + zero.
spiking.readout "logits" %dense factor @factor offset @factor : !spiking.current<2>
// CHECK: spiking.readout "logits" %dense factor @factor offset @factor : !spiking.current<2>
// GENERIC: "spiking.readout"(%dense) <{tensor_name = "logits", factor = @factor, offset = @factor}>
spiking.readout "ranged" %dense factor @factor offset @factor charge -30 to 40 bits 7 : !spiking.current<2>
// CHECK: spiking.readout "ranged" %dense factor @factor offset @factor charge -30 to 40 bits 7 : !spiking.current<2>
spiking.readout "features" %max_floor zero 0 as "UINT4" at @flat : !spiking.train<4x1x1 in 0 to 3>
// CHECK: spiking.readout "features" %max_floor zero 0 as "UINT4" at @flat : !spiking.train<4x1x1 in 0 to 3>
// GENERIC: "spiking.readout"(%max_floor) <{tensor_name = "features", zero = 0 : i64, element_type = "UINT4", index = @flat}>
