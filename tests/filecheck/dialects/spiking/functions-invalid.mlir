// RUN: %elsac-opt %s --split-input-file --verify-diagnostics --parsing-diagnostics | filecheck %s

%a, %b = "test.op"() : () -> (!spiking.train<5x8 in -8 to 7>, !spiking.train<4x10 in -8 to 7>)
%y = spiking.product %a by %b as <2 x 5x4x5 left rows right columns out rows> : !spiking.train<5x8 in -8 to 7>, !spiking.train<4x10 in -8 to 7> -> !spiking.current<10x5>
// CHECK: the map wants a left operand of (10, 4)

// -----

%a, %b = "test.op"() : () -> (!spiking.train<10x4 in -8 to 7>, !spiking.train<5x8 in -8 to 7>)
%y = spiking.product %a by %b as <2 x 5x4x5 left rows right columns out rows> : !spiking.train<10x4 in -8 to 7>, !spiking.train<5x8 in -8 to 7> -> !spiking.current<10x5>
// CHECK: the map wants a right operand of (4, 10)

// -----

%a, %b = "test.op"() : () -> (!spiking.train<10x4 in -8 to 7>, !spiking.train<4x10 in -8 to 7>)
%y = spiking.product %a by %b as <2 x 5x4x5 left rows right columns out rows> : !spiking.train<10x4 in -8 to 7>, !spiking.train<4x10 in -8 to 7> -> !spiking.current<5x10>
// CHECK: the map gives a result of (10, 5)

// -----

%a, %b = "test.op"() : () -> (!spiking.train<5x8 in -8 to 7>, !spiking.train<8 in -8 to 7>)
%y = spiking.multiply %a by %b as <5x8 by 1x8> : !spiking.train<5x8 in -8 to 7>, !spiking.train<8 in -8 to 7> -> !spiking.current<5x8>
// CHECK: the map wants a right operand of (1, 8)

// -----

%a, %b = "test.op"() : () -> (!spiking.train<5x8 in -8 to 7>, !spiking.train<1x8 in -8 to 7>)
%y = spiking.multiply %a by %b as <5x8 by 1x8> : !spiking.train<5x8 in -8 to 7>, !spiking.train<1x8 in -8 to 7> -> !spiking.current<1x8>
// CHECK: the map gives a result of (5, 8)

// -----

%x = "test.op"() : () -> !spiking.current<5x8>
%y = spiking.softmax %x exps @e scale 1 shift 4 : !spiking.current<5x8> -> !spiking.train<8x5 in -8 to 7>
// CHECK: a tracking node for every element of the current

// -----

%x = "test.op"() : () -> !spiking.current<2x5x8>
%y = spiking.norm %x thresholds @t signs @s fraction 24 epsilon 0 bits 0 : !spiking.current<2x5x8> -> !spiking.train<2x5x8 in -8 to 7>
// CHECK: a function of rows works on (n) or (rows, n)

// -----

%x = "test.op"() : () -> !spiking.current<5x8>
%y = spiking.softmax %x exps @e scale 0 shift 4 : !spiking.current<5x8> -> !spiking.train<5x8 in -8 to 7>
// CHECK: the scale of a softmax is positive, its shift 0 to 62

// -----

%x = "test.op"() : () -> !spiking.current<5x8>
%y = spiking.softmax %x exps @e scale 1 shift 63 : !spiking.current<5x8> -> !spiking.train<5x8 in -8 to 7>
// CHECK: the scale of a softmax is positive, its shift 0 to 62

// -----

%x = "test.op"() : () -> !spiking.current<5x8>
%y = spiking.norm %x thresholds @t signs @s fraction 24 epsilon -1 bits 0 : !spiking.current<5x8> -> !spiking.train<5x8 in -8 to 7>
// CHECK: the epsilon of a normalization is not negative

// -----

%x = "test.op"() : () -> !spiking.current<5x8>
%y = spiking.norm %x thresholds @t signs @s fraction 63 epsilon 1 bits 0 : !spiking.current<5x8> -> !spiking.train<5x8 in -8 to 7>
// CHECK: a normalization has 0 to 62 fractional bits

// -----

%x = "test.op"() : () -> !spiking.current<5x8>
%y = spiking.curve %x at @b levels @l charge 0 to 9 bits 4 : !spiking.current<5x8> -> !spiking.train<5x8 in -8 to 7>
// CHECK: the width holds the proved range
