// RUN: %elsac-opt %s --split-input-file --verify-diagnostics --parsing-diagnostics | filecheck %s

%a, %b = "test.op"() : () -> (!qann.tensor<5x8 in -8 to 7 by "1">, !qann.tensor<4x10 in -8 to 7 by "1">)
%y = qann.product %a by %b as <2 x 5x4x5 left rows right columns out rows> : !qann.tensor<5x8 in -8 to 7 by "1">, !qann.tensor<4x10 in -8 to 7 by "1"> -> !qann.real<10x5>
// CHECK: the map wants a left operand of (10, 4)

// -----

%a, %b = "test.op"() : () -> (!qann.tensor<10x4 in -8 to 7 by "1">, !qann.tensor<5x8 in -8 to 7 by "1">)
%y = qann.product %a by %b as <2 x 5x4x5 left rows right columns out rows> : !qann.tensor<10x4 in -8 to 7 by "1">, !qann.tensor<5x8 in -8 to 7 by "1"> -> !qann.real<10x5>
// CHECK: the map wants a right operand of (4, 10)

// -----

%a, %b = "test.op"() : () -> (!qann.tensor<10x4 in -8 to 7 by "1">, !qann.tensor<4x10 in -8 to 7 by "1">)
%y = qann.product %a by %b as <2 x 5x4x5 left rows right columns out rows> : !qann.tensor<10x4 in -8 to 7 by "1">, !qann.tensor<4x10 in -8 to 7 by "1"> -> !qann.real<5x10>
// CHECK: the map gives a result of (10, 5)

// -----

%a, %b = "test.op"() : () -> (!qann.tensor<5x8 in -8 to 7 by "1">, !qann.tensor<1x8 in -8 to 7 by "1">)
%y = qann.multiply %a by %b : !qann.tensor<5x8 in -8 to 7 by "1">, !qann.tensor<1x8 in -8 to 7 by "1"> -> !qann.real<1x8>
// CHECK: the result has the greater of the operands' sizes

// -----

%a, %b = "test.op"() : () -> (!qann.tensor<5x8 in -8 to 7 by "1">, !qann.tensor<8 in -8 to 7 by "1">)
%y = qann.multiply %a by %b : !qann.tensor<5x8 in -8 to 7 by "1">, !qann.tensor<8 in -8 to 7 by "1"> -> !qann.real<5x8>
// CHECK: the result has the greater of the operands' sizes

// -----

%a, %b = "test.op"() : () -> (!qann.tensor<5x8 in -8 to 7 by "1">, !qann.tensor<2x8 in -8 to 7 by "1">)
%y = qann.multiply %a by %b : !qann.tensor<5x8 in -8 to 7 by "1">, !qann.tensor<2x8 in -8 to 7 by "1"> -> !qann.real<5x8>
// CHECK: sizes of an element-wise product are equal, or one of them is 1

// -----

%x = "test.op"() : () -> !qann.real<5x8>
%y = qann.softmax %x : !qann.real<5x8> -> !qann.tensor<40 in -8 to 7 by "1">
// CHECK: a function keeps the shape

// -----

%x = "test.op"() : () -> !qann.real<2x5x8>
%y = qann.softmax %x : !qann.real<2x5x8> -> !qann.tensor<2x5x8 in -8 to 7 by "1">
// CHECK: a function of rows works on (n) or (rows, n)

// -----

%x = "test.op"() : () -> !qann.real<5x8>
%y = qann.norm %x by @g plus @b epsilon "-1/2" : !qann.real<5x8> -> !qann.tensor<5x8 in -8 to 7 by "1">
// CHECK: the epsilon of a normalization is not negative

// -----

%x = "test.op"() : () -> !qann.real<5x8>
%y = qann.norm %x by @g plus @b epsilon "tiny" : !qann.real<5x8> -> !qann.tensor<5x8 in -8 to 7 by "1">
// CHECK: 'tiny' is no rational: give n or n/d

// -----

%x = "test.op"() : () -> !qann.real<8>
%y = qann.curve "gelu" %x of [] by "0" plus "0" : !qann.real<8> -> !qann.tensor<8 in -8 to 7 by "1">
// CHECK: the factor of a curve is not 0

// -----

%x = "test.op"() : () -> !qann.real<8>
%y = qann.curve "elu" %x of ["1/0"] by "1" plus "0" : !qann.real<8> -> !qann.tensor<8 in -8 to 7 by "1">
// CHECK: '1/0' is no rational: give n or n/d
