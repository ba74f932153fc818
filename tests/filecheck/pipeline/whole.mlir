// RUN: %elsac-opt %s -p 'check-blobs,fold,fold-products,convert-qann-to-spiking{alphabet="ternary" coding="bitplane"},fold-index-maps,prove-ranges,convert-spiking-to-token,order-spines{schedule="raster"},estimate-load,bundle-packets,tile-columns,assign-cores,tile-sources,place-cores{method="snake" effort=0 seed=0},route-streams{method="xy" seed=0},allocate-memory,verify-mapping,convert-token-to-elsa' | filecheck %s

// A network of two layers, from what the frontend makes of an ONNX file to what the emitter turns into words;
// the passes are those of `elsac compile --print-pipeline`. A convolution with a Relu and a max-pool, then a
// fully connected layer whose result is not quantized.

net.blob @w1 : tensor<2x1x3x3xi8> ints [1, 0, -1, 2, 0, -2, 1, 0, -1, 1, 2, 1, 0, 0, 0, -1, -2, -1]
net.blob @w1_scale : tensor<2x1x1x!net.rational> rationals ["1/16", "1/8"]
net.blob @flat : tensor<8xi64> ints [0, 1, 2, 3, 4, 5, 6, 7]
net.blob @w2 : tensor<8x3xi8> ints [1, 2, 3, -1, -2, -3, 1, 2, 3, -1, -2, -3, 1, 2, 3, -1, -2, -3, 1, 2, 3, -1, -2, -3]
net.blob @b2 : tensor<3x!net.rational> rationals ["1/2", "0", "-1/2"]

%image = qann.input "image" zero 0 as "UINT4" : !qann.tensor<1x4x4 in 0 to 15 by "1/16"> loc("quantize_image")
qann.probe "image_q" %image zero 0 as "UINT4" : !qann.tensor<1x4x4 in 0 to 15 by "1/16">
%conv = qann.conv %image weight @w1 window <kernel [3, 3], pads [1, 1, 1, 1]> groups 1 : !qann.tensor<1x4x4 in 0 to 15 by "1/16"> -> !qann.real<2x4x4> loc("conv1")
%scaled = qann.scale %conv by @w1_scale : !qann.real<2x4x4> -> !qann.real<2x4x4>
%relu = qann.clip %scaled from "0" : !qann.real<2x4x4> -> !qann.real<2x4x4> loc("relu1")
%pool = qann.max_pool %relu window <kernel [2, 2], stride [2, 2]> : !qann.real<2x4x4> -> !qann.real<2x2x2> loc("pool1")
%a = qann.quantize %pool : !qann.real<2x2x2> -> !qann.tensor<2x2x2 in -8 to 7 by "1/32"> loc("quantize1")
qann.probe "a_q" %a zero 0 as "INT4" : !qann.tensor<2x2x2 in -8 to 7 by "1/32">
%row = qann.index %a at @flat for "Flatten" : !qann.tensor<2x2x2 in -8 to 7 by "1/32"> -> !qann.tensor<8 in -8 to 7 by "1/32">
%product = qann.matmul %row weight @w2 : !qann.tensor<8 in -8 to 7 by "1/32"> -> !qann.real<3> loc("fc")
%logits = qann.offset %product by @b2 : !qann.real<3> -> !qann.real<3>
qann.output "logits" %logits : !qann.real<3>

// The blobs that are left: results scale by what their factors are, rows wait for what their windows hold,
// and thresholds have all constants of the first layer in them. Its scale is 1/16 * 1/16 = 1/256 in the first
// channel, and a level is 1/32, so level k starts half-way before k * 8: ties at 4, 12, .. go to even levels.
// CHECK-DAG:  net.blob @logits_factor : tensor<1x!net.rational> rationals ["1/32"]
// CHECK-DAG:  net.blob @{{\w+}} : tensor<1x2x7xi64> ints [5, 12, 21, 28, 37, 44, 53, 3, 6, 11, 14, 19, 22, 27]
// CHECK-DAG:  net.blob @{{\w+}} : tensor<16xi32> ints [4, 6, 6, 4, 6, 9, 9, 6, 6, 9, 9, 6, 4, 6, 6, 4]
// CHECK-NOT:  qann.
// CHECK-NOT:  spiking.
// CHECK:      token.packet_format "baer" flit 256
// CHECK:      elsa.input "image"

// The max-pool moved behind the quantizer; the Flatten is a window over the whole map.
// CHECK:      elsa.window [[FLAT:@\w+]] <2x2 to 1x1 window <kernel [2, 2]>>

// CHECK:      elsa.core @core0 at [0, 0] {
// CHECK-NEXT:   elsa.thread @t0 of "image"
// CHECK:        elsa.thread @t1 of "conv1" {{{.*}} lo = 0 : i64, hi = 7 : i64, membrane_bits = 7 : i64, {{.*}} routes [#token.route<(0, 0), (1, 0) credits 1>]
// CHECK:          elsa.acc
// CHECK:        } row {
// CHECK-NEXT:     elsa.fire
// CHECK:      elsa.core @core1 at [1, 0] {
// CHECK-NEXT:   elsa.thread @t2 of "pool1"
// CHECK:        } row {
// CHECK-NEXT:     elsa.max
// CHECK:      elsa.core @core2 at [2, 0] {
// CHECK-NEXT:   elsa.thread @t3 of "fc"
// CHECK-NEXT:     elsa.port @t2 base 0 spines 0 to 4 of 4 spikes {
// CHECK-NEXT:       elsa.taps [[FLAT]]

// What can be compared and what comes out.
// CHECK:      elsa.reading "image_q" "tracer" of [@t0] shape [1, 4, 4] for "probe" zero 0 as "UINT4"
// CHECK-NEXT: elsa.reading "a_q" "tracer" of [@t2] shape [2, 2, 2] for "probe" zero 0 as "INT4"
// CHECK-NEXT: elsa.reading "logits" "charge" of [@t3] shape [3] for "value" factor @logits_factor offset @out_offset
