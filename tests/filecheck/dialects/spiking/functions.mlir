// RUN: %elsac-opt %s | %elsac-opt | filecheck %s
// RUN: %elsac-opt %s --print-op-generic | %elsac-opt | filecheck %s
// RUN: %elsac-opt %s --print-op-generic | filecheck %s --check-prefix GENERIC

// The synapses of attention and its tracking nodes: 5 tokens of 8 numbers, 2 heads of 4.

net.blob @exps : tensor<3xi64> ints [16777216, 2270560, 307288]
net.blob @mask : tensor<1x5xi8> ints [0, 0, 0, 0, 1]
net.blob @thresholds : tensor<8x1xi64> ints [1, 2, 3, 4, 5, 6, 7, 8]
net.blob @signs : tensor<8xi8> ints [1, 1, 1, 1, -1, 1, 1, 0]
net.blob @breakpoints : tensor<2x1x1xi64> ints [-3, 4]
net.blob @levels : tensor<3xi8> ints [0, -1, 1]
net.blob @stairs : tensor<1x1x8xi64> ints [0, 0, 0, 0, 1, 1, 1, 1]

%q, %k = "test.op"() : () -> (!spiking.train<5x8 in -8 to 7>, !spiking.train<5x8 in -8 to 7>)

// A spike of one train meets what has been delivered of the other.
%s = spiking.product %q by %k as <2 x 5x4x5 left columns right columns transposed out rows> : !spiking.train<5x8 in -8 to 7>, !spiking.train<5x8 in -8 to 7> -> !spiking.current<10x5>
// CHECK: %s = spiking.product %q by %k as <2 x 5x4x5 left columns right columns transposed out rows> : !spiking.train<5x8 in -8 to 7>, !spiking.train<5x8 in -8 to 7> -> !spiking.current<10x5>
// GENERIC: "spiking.product"(%q, %k) <{map = #net.product<2 x 5x4x5 left columns right columns transposed out rows>}>

// Tracers follow the softmax of a row of charges. The scale here is 1 / 2**4.
%p = spiking.softmax %s exps @exps scale 1 shift 4 without @mask charge -9 to 9 bits 5 : !spiking.current<10x5> -> !spiking.train<10x5 in 0 to 15>
%all = spiking.softmax %s exps @exps scale 1 shift 4 alphabet floor : !spiking.current<10x5> -> !spiking.train<10x5 in 0 to 15>
// CHECK: %p = spiking.softmax %s exps @exps scale 1 shift 4 without @mask charge -9 to 9 bits 5 : !spiking.current<10x5> -> !spiking.train<10x5 in 0 to 15>
// CHECK: %all = spiking.softmax %s exps @exps scale 1 shift 4 alphabet floor :
// GENERIC: "spiking.softmax"(%s) <{exps = @exps, multiplier = 1 : i64, shift = 4 : i64, alphabet = #spiking<alphabet floor>}>

%context = spiking.product %p by %k as <2 x 5x5x4 left rows right columns out columns> : !spiking.train<10x5 in 0 to 15>, !spiking.train<5x8 in -8 to 7> -> !spiking.current<5x8>
%layer = spiking.norm %context thresholds @thresholds signs @signs fraction 24 epsilon 3 bits 1 charge -9 to 9 width 5 : !spiking.current<5x8> -> !spiking.train<5x8 in 0 to 1>
%rms = spiking.norm %context thresholds @thresholds signs @signs fraction 24 epsilon 0 bits 0 rms alphabet nearest : !spiking.current<5x8> -> !spiking.train<5x8 in 0 to 1>
// CHECK: %layer = spiking.norm %context thresholds @thresholds signs @signs fraction 24 epsilon 3 bits 1 charge -9 to 9 width 5 : !spiking.current<5x8> -> !spiking.train<5x8 in 0 to 1>
// CHECK: %rms = spiking.norm %context thresholds @thresholds signs @signs fraction 24 epsilon 0 bits 0 rms alphabet nearest :
// GENERIC: "spiking.norm"(%context) <{thresholds = @thresholds, signs = @signs, fraction = 24 : i64, epsilon = 3 : i64, epsilon_bits = 1 : i64,

%curve = spiking.curve %context at @breakpoints levels @levels charge -9 to 9 bits 5 : !spiking.current<5x8> -> !spiking.train<5x8 in -1 to 1>
// CHECK: %curve = spiking.curve %context at @breakpoints levels @levels charge -9 to 9 bits 5 : !spiking.current<5x8> -> !spiking.train<5x8 in -1 to 1>
// GENERIC: "spiking.curve"(%context) <{breakpoints = @breakpoints, levels = @levels,

// One row times each of the other's rows.
%row = "test.op"() : () -> !spiking.train<1x8 in 0 to 15>
%gated = spiking.multiply %curve by %row as <5x8 by 1x8> : !spiking.train<5x8 in -1 to 1>, !spiking.train<1x8 in 0 to 15> -> !spiking.current<5x8>
// CHECK: %gated = spiking.multiply %curve by %row as <5x8 by 1x8> :
// GENERIC: "spiking.multiply"(%curve, %row) <{map = #net.elementwise<5x8 by 1x8>}>

// Nobody feeds these neurons; their staircases say where they end, after their first steps.
%silence = spiking.silence : !spiking.current<1x8>
%class = spiking.neuron %silence stairs @stairs : !spiking.current<1x8> -> !spiking.train<1x8 in 0 to 1>
// CHECK: %silence = spiking.silence : !spiking.current<1x8>
// CHECK: %class = spiking.neuron %silence stairs @stairs :
