// RUN: %elsac-opt %s | %elsac-opt | filecheck %s
// RUN: %elsac-opt %s --print-op-generic | %elsac-opt | filecheck %s
// RUN: %elsac-opt %s --print-op-generic | filecheck %s --check-prefix GENERIC

// Attention on 5 tokens of 8 numbers, 2 heads of 4, and what stands around it.

net.blob @token : tensor<1x8x!net.rational> rationals ["1/3", "0", "-2", "1", "1/7", "4", "5", "6"]
net.blob @mask : tensor<1x5xi8> ints [0, 0, 0, 0, 1]
net.blob @gamma : tensor<8x!net.rational> rationals ["1", "2", "3", "4", "5", "6", "7", "8"]
net.blob @beta : tensor<1x!net.rational> rationals ["0"]

%q, %k = "test.op"() : () -> (!qann.tensor<5x8 in -8 to 7 by "1/2">, !qann.tensor<5x8 in -8 to 7 by "1/3">)

// A product of two tensors, for each head: here heads lie side by side in the operands, and the right one
// holds each matrix transposed, as K does for Q K^T. The sums of the heads lie one below the other.
%s = qann.product %q by %k as <2 x 5x4x5 left columns right columns transposed out rows> : !qann.tensor<5x8 in -8 to 7 by "1/2">, !qann.tensor<5x8 in -8 to 7 by "1/3"> -> !qann.real<10x5>
// CHECK: %s = qann.product %q by %k as <2 x 5x4x5 left columns right columns transposed out rows> : !qann.tensor<5x8 in -8 to 7 by "1/2">, !qann.tensor<5x8 in -8 to 7 by "1/3"> -> !qann.real<10x5>
// GENERIC: "qann.product"(%q, %k) <{map = #net.product<2 x 5x4x5 left columns right columns transposed out rows>}>

// Functions are rounded to levels at once. Elements that a mask marks take no part.
%p = qann.softmax %s without @mask : !qann.real<10x5> -> !qann.tensor<10x5 in 0 to 15 by "1/16">
%all = qann.softmax %s : !qann.real<10x5> -> !qann.tensor<10x5 in 0 to 15 by "1/16">
// CHECK: %p = qann.softmax %s without @mask : !qann.real<10x5> -> !qann.tensor<10x5 in 0 to 15 by "1/16">
// CHECK: %all = qann.softmax %s : !qann.real<10x5> -> !qann.tensor<10x5 in 0 to 15 by "1/16">
// GENERIC: "qann.softmax"(%s) <{absent = @mask}>

%context = qann.product %p by %k as <2 x 5x5x4 left rows right columns out columns> : !qann.tensor<10x5 in 0 to 15 by "1/16">, !qann.tensor<5x8 in -8 to 7 by "1/3"> -> !qann.real<5x8>
%layer = qann.norm %context by @gamma plus @beta epsilon "1/100000" : !qann.real<5x8> -> !qann.tensor<5x8 in -8 to 7 by "1/4">
%rms = qann.norm %context by @gamma plus @beta epsilon "0" rms : !qann.real<5x8> -> !qann.tensor<5x8 in -8 to 7 by "1/4">
// CHECK: %layer = qann.norm %context by @gamma plus @beta epsilon "1/100000" : !qann.real<5x8> -> !qann.tensor<5x8 in -8 to 7 by "1/4">
// CHECK: %rms = qann.norm %context by @gamma plus @beta epsilon "0" rms : !qann.real<5x8> -> !qann.tensor<5x8 in -8 to 7 by "1/4">
// GENERIC: "qann.norm"(%context) <{gamma = @gamma, beta = @beta, epsilon = "0", rms}>

// A curve is known by its name; what comes out is times `by`, plus `plus`.
%gelu = qann.curve "gelu" %context of [] by "1" plus "0" : !qann.real<5x8> -> !qann.tensor<5x8 in -1 to 7 by "1/4">
%elu = qann.curve "elu" %context of ["1/2"] by "-2" plus "1/3" : !qann.real<5x8> -> !qann.tensor<5x8 in -8 to 7 by "1/4">
// CHECK: %gelu = qann.curve "gelu" %context of [] by "1" plus "0" :
// CHECK: %elu = qann.curve "elu" %context of ["1/2"] by "-2" plus "1/3" :
// GENERIC: "qann.curve"(%context) <{function = "elu", parameters = ["1/2"], by = "-2", plus = "1/3"}>

// Two tensors element by element, broadcast as in numpy.
%row = "test.op"() : () -> !qann.tensor<1x8 in 0 to 15 by "1">
%gated = qann.multiply %gelu by %row : !qann.tensor<5x8 in -1 to 7 by "1/4">, !qann.tensor<1x8 in 0 to 15 by "1"> -> !qann.real<5x8>
// CHECK: %gated = qann.multiply %gelu by %row : !qann.tensor<5x8 in -1 to 7 by "1/4">, !qann.tensor<1x8 in 0 to 15 by "1"> -> !qann.real<5x8>

// Numbers that no input changes.
%class = qann.constant @token : !qann.real<1x8>
// CHECK: %class = qann.constant @token : !qann.real<1x8>
// GENERIC: "qann.constant"() <{value = @token}>
