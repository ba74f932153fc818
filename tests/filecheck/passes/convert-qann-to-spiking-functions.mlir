// RUN: %elsac-opt %s --split-input-file -p 'convert-qann-to-spiking{fraction=8}' | filecheck %s

// The scores of attention and their softmax. One unit of charge is worth 1/2 * 1/2 * 1/4 = 1/16, so the table has
// 2**8 * exp(-d / 16). A level is 1/16 = 1 / 2**4; no probability is above 1, so 16 is the greatest.

net.blob @quarter : tensor<1x!net.rational> rationals ["1/4"]
net.blob @zero : tensor<1x!net.rational> rationals ["0"]
net.blob @mask : tensor<1x3xi8> ints [0, 0, 1]
%q = qann.input "q" zero 0 as "INT4" : !qann.tensor<3x4 in -8 to 7 by "1/2">
%s = qann.product %q by %q as <2 x 3x2x3 left columns right columns transposed out rows> : !qann.tensor<3x4 in -8 to 7 by "1/2">, !qann.tensor<3x4 in -8 to 7 by "1/2"> -> !qann.real<6x3>
%a = qann.affine %s by [@quarter] plus @zero : !qann.real<6x3> -> !qann.real<6x3>
%p = qann.softmax %a without @mask : !qann.real<6x3> -> !qann.tensor<6x3 in -128 to 127 by "1/16">
qann.output "p" %p zero 0 as "INT8" : !qann.tensor<6x3 in -128 to 127 by "1/16">

// CHECK-LABEL: builtin.module
// CHECK-DAG:   net.blob @p_exps : tensor<100xi64> from
// CHECK:       %s = spiking.product %q by %q as <2 x 3x2x3 left columns right columns transposed out rows>
// CHECK-NEXT:  %p = spiking.softmax %s exps @p_exps scale 1 shift 4 without @mask : !spiking.current<6x3> -> !spiking.train<6x3 in 0 to 16>

// -----

// A sum of two tensors is normalized, with scales 1/2 and 3/4: both are multiples of 1/4, so its charges are
// 2 x + 3 y, and nothing is rounded. The second channel has gamma 0: it is always at its beta, level 1.

net.blob @one : tensor<1x!net.rational> rationals ["1"]
net.blob @zero : tensor<1x!net.rational> rationals ["0"]
net.blob @gamma : tensor<2x!net.rational> rationals ["-1", "0"]
net.blob @beta : tensor<2x!net.rational> rationals ["0", "5/4"]
%x = qann.input "x" zero 0 as "INT4" : !qann.tensor<3x2 in -8 to 7 by "1/2">
%y = qann.input "y" zero 0 as "INT4" : !qann.tensor<3x2 in -8 to 7 by "3/4">
%rx = qann.dequantize %x : !qann.tensor<3x2 in -8 to 7 by "1/2"> -> !qann.real<3x2>
%ry = qann.dequantize %y : !qann.tensor<3x2 in -8 to 7 by "3/4"> -> !qann.real<3x2>
%a = qann.affine %rx, %ry by [@one, @one] plus @zero : !qann.real<3x2>, !qann.real<3x2> -> !qann.real<3x2>
%n = qann.norm %a by @gamma plus @beta epsilon "1/16" : !qann.real<3x2> -> !qann.tensor<3x2 in -1 to 1 by "1">
qann.output "n" %n zero 0 as "INT4" : !qann.tensor<3x2 in -1 to 1 by "1">

// Half a level is 2**7 of 2**8. The epsilon in units of a charge, 1/16 / (1/4)**2, times 2 * 2 channels: 4,
// which is 512 / 2**7.
// CHECK-LABEL: builtin.module
// CHECK-DAG:   net.blob @rx_constants : tensor<2xi8> ints [2, 2]
// CHECK-DAG:   net.blob @ry_constants : tensor<2xi8> ints [3, 3]
// CHECK-DAG:   net.blob @n_thresholds : tensor<2x2xi64> ints [-128, 128, -4611686018427387903, -4611686018427387903]
// CHECK-DAG:   net.blob @n_signs : tensor<2xi8> ints [-1, 0]
// CHECK:       [[SUM:%\w+]] = spiking.join %rx, %ry
// CHECK-NEXT:  spiking.norm [[SUM]] thresholds @n_thresholds signs @n_signs fraction 8 epsilon 512 bits 7 : !spiking.current<3x2> -> !spiking.train<3x2 in -1 to 1>

// -----

// A curve becomes pieces of charges that give one level each: |x| of x = A / 2 - 1/4 (second channel: of -A / 2)
// in levels of 1, of which -8 .. -1 never occur. Ties go to even: x = -1/2, 1/2 give 0.

net.blob @factor : tensor<2x!net.rational> rationals ["1/2", "-1/2"]
net.blob @offset : tensor<2x!net.rational> rationals ["-1/4", "0"]
%x = qann.input "x" zero 0 as "INT4" : !qann.tensor<3x2 in -8 to 7 by "1">
%r = qann.dequantize %x : !qann.tensor<3x2 in -8 to 7 by "1"> -> !qann.real<3x2>
%a = qann.affine %r by [@factor] plus @offset : !qann.real<3x2> -> !qann.real<3x2>
%y = qann.curve "abs" %a of [] by "1" plus "0" : !qann.real<3x2> -> !qann.tensor<3x2 in -8 to 1 by "1">
qann.output "y" %y zero 0 as "INT4" : !qann.tensor<3x2 in -8 to 1 by "1">

// CHECK-LABEL: builtin.module
// CHECK-DAG:   net.blob @r_constants : tensor<2xi8> ints [1, -1]
// CHECK-DAG:   net.blob @y_breakpoints : tensor<2x1x2xi64> ints [0, -1, 2, 2]
// CHECK-DAG:   net.blob @y_levels : tensor<3xi8> ints [1, 0, 1]
// CHECK:       %y = spiking.curve %r at @y_breakpoints levels @y_levels : !spiking.current<3x2> -> !spiking.train<3x2 in 0 to 1>

// -----

// Numbers that are known have neurons on silence: always at level 1, at -2, at 0. Two trains multiply.

net.blob @value : tensor<1x3x!net.rational> rationals ["1/2", "-1", "0"]
net.blob @one : tensor<1x!net.rational> rationals ["1"]
net.blob @zero : tensor<1x!net.rational> rationals ["0"]
%c = qann.constant @value : !qann.real<1x3>
%t = qann.quantize %c : !qann.real<1x3> -> !qann.tensor<1x3 in -8 to 7 by "1/2">
%x = qann.input "x" zero 0 as "INT4" : !qann.tensor<2x3 in -8 to 7 by "1">
%s = qann.multiply %x by %t : !qann.tensor<2x3 in -8 to 7 by "1">, !qann.tensor<1x3 in -8 to 7 by "1/2"> -> !qann.real<2x3>
%a = qann.affine %s by [@one] plus @zero : !qann.real<2x3> -> !qann.real<2x3>
%y = qann.quantize %a : !qann.real<2x3> -> !qann.tensor<2x3 in 0 to 1 by "1">
qann.output "y" %y zero 0 as "INT4" : !qann.tensor<2x3 in 0 to 1 by "1">

// CHECK-LABEL: builtin.module
// CHECK-DAG:   net.blob @t_stairs : tensor<3x1x3xi64> ints [-4611686018427387903, 4611686018427387903, -4611686018427387903, -4611686018427387903, 4611686018427387903, -4611686018427387903, -4611686018427387903, 4611686018427387903, 4611686018427387903]
// CHECK-DAG:   net.blob @y_stairs : tensor<1x1x1xi64> ints [2]
// CHECK:       %c = spiking.silence : !spiking.current<1x3>
// CHECK-NEXT:  %t = spiking.neuron %c stairs @t_stairs : !spiking.current<1x3> -> !spiking.train<1x3 in -2 to 1>
// CHECK:       %s = spiking.multiply %x by %t as <2x3 by 1x3>
// CHECK-NEXT:  %y = spiking.neuron %s stairs @y_stairs
