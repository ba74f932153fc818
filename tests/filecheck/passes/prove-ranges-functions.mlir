// RUN: %elsac-opt %s -p prove-ranges | filecheck %s
// RUN: not %elsac-opt %s -p prove-ranges --elsa-target %S/Inputs/narrow.toml 2>&1 | filecheck %s --check-prefix NARROW

// What is delivered of either train stays within its bounds, so a product of two tracers lies between the
// products of these bounds, and a charge is as many of them as the matrices meet in.

net.blob @exps : tensor<1xi64> ints [256]
net.blob @thresholds : tensor<4x1xi64> ints [1, 2, 3, 4]
net.blob @signs : tensor<4xi8> ints [1, 1, 1, 1]
net.blob @breakpoints : tensor<1x1x1xi64> ints [0]
net.blob @levels : tensor<2xi8> ints [0, 1]
net.blob @stairs : tensor<1x1x1xi64> ints [0]
%q, %p, %k = "test.op"() : () -> (!spiking.train<3x4 in -8 to 7>, !spiking.train<6x3 in 0 to 15>, !spiking.train<2x4 in -20 to 255>)

// Two numbers of -8..7 meet two: from 2 * (-8 * 7) to 2 * (-8 * -8).
%s = spiking.product %q by %q as <2 x 3x2x3 left columns right columns transposed out rows> : !spiking.train<3x4 in -8 to 7>, !spiking.train<3x4 in -8 to 7> -> !spiking.current<6x3>
%a = spiking.softmax %s exps @exps scale 1 shift 4 : !spiking.current<6x3> -> !spiking.train<6x3 in 0 to 15>
// CHECK: %a = spiking.softmax %s exps @exps scale 1 shift 4 charge -112 to 128 bits 9 :

// Three of 0..15 meet three of -8..7.
%m = spiking.product %p by %q as <2 x 3x3x2 left rows right columns out columns> : !spiking.train<6x3 in 0 to 15>, !spiking.train<3x4 in -8 to 7> -> !spiking.current<3x4>
%n = spiking.norm %m thresholds @thresholds signs @signs fraction 8 epsilon 0 bits 0 : !spiking.current<3x4> -> !spiking.train<3x4 in 0 to 1>
// CHECK: %n = spiking.norm %m thresholds @thresholds signs @signs fraction 8 epsilon 0 bits 0 charge -360 to 315 width 10 :

// Element by element there is one product only.
%e = spiking.multiply %k by %k as <2x4 by 2x4> : !spiking.train<2x4 in -20 to 255>, !spiking.train<2x4 in -20 to 255> -> !spiking.current<2x4>
%c = spiking.curve %e at @breakpoints levels @levels : !spiking.current<2x4> -> !spiking.train<2x4 in 0 to 1> loc("square")
// CHECK: %c = spiking.curve %e at @breakpoints levels @levels charge -5100 to 65025 bits 17 :

// Nothing arrives in silence.
%o = spiking.silence : !spiking.current<1x4>
%t = spiking.neuron %o stairs @stairs : !spiking.current<1x4> -> !spiking.train<1x4 in 0 to 1>
// CHECK: %t = spiking.neuron %o stairs @stairs charge 0 to 0 bits 1 :

// NARROW: elsac-opt: node 'square': its charge can reach -5100..65025 and needs membranes of 17 bits; the target 'narrow' has at most 12:
