// RUN: %elsac-opt %s --split-input-file --verify-diagnostics --parsing-diagnostics | filecheck %s

%x = "test.op"() : () -> !token.stream<4x6 in 0 to 3>
token.factor %x is "upper" of #net.elementwise<4x6 by 4x6> : !token.stream<4x6 in 0 to 3>
// CHECK: a factor is the left or the right one

// -----

// Of two rows of the left factor, a stream cannot have four.
%x = "test.op"() : () -> !token.stream<4x6 in 0 to 3>
token.factor %x is "left" of #net.product<1 x 2x6x4 left rows right rows out rows> : !token.stream<4x6 in 0 to 3>
// CHECK: the spines of a factor are among its 2 rows

// -----

%x = "test.op"() : () -> !token.stream<2x6 in 0 to 3>
token.factor %x spine 1 is "left" of #net.product<1 x 2x6x4 left rows right rows out rows> : !token.stream<2x6 in 0 to 3>
// CHECK: the spines of a factor are among its 2 rows

// -----

%x = "test.op"() : () -> !token.stream<2x6 in 0 to 3>
token.factor %x from 1 is "left" of #net.product<1 x 2x6x4 left rows right rows out rows> : !token.stream<2x6 in 0 to 3>
// CHECK: the columns of a factor are among its 6

// -----

// One factor alone has no product.
%x = "test.op"() : () -> !token.stream<4x6 in 0 to 3>
%a = token.actor "a" columns 0 to 6 of 6 reads %x : !token.stream<4x6 in 0 to 3> -> !token.stream<4x6 in 0 to 3> {
^bb0(%0: !token.stream<4x6 in 0 to 3>):
  token.factor %0 is "left" of #net.elementwise<4x6 by 4x6> : !token.stream<4x6 in 0 to 3>
  token.fire stairs @s alphabet ternary bits 9
}
// CHECK: an actor that reads factors reads both sides of one product

// -----

// Factors of different products.
%x = "test.op"() : () -> !token.stream<4x6 in 0 to 3>
%a = token.actor "a" columns 0 to 6 of 6 reads %x, %x : !token.stream<4x6 in 0 to 3>, !token.stream<4x6 in 0 to 3> -> !token.stream<4x6 in 0 to 3> {
^bb0(%0: !token.stream<4x6 in 0 to 3>, %1: !token.stream<4x6 in 0 to 3>):
  token.factor %0 is "left" of #net.elementwise<4x6 by 4x6> : !token.stream<4x6 in 0 to 3>
  token.factor %1 is "right" of #net.elementwise<4x1 by 4x6> : !token.stream<4x6 in 0 to 3>
  token.fire stairs @s alphabet ternary bits 9
}
// CHECK: an actor that reads factors reads both sides of one product

// -----

%x = "test.op"() : () -> !token.stream<4x6 in 0 to 3>
%a = token.actor "a" columns 0 to 6 of 6 reads %x, %x : !token.stream<4x6 in 0 to 3>, !token.stream<4x6 in 0 to 3> -> !token.stream<2x6 in 0 to 3> {
^bb0(%0: !token.stream<4x6 in 0 to 3>, %1: !token.stream<4x6 in 0 to 3>):
  token.factor %0 is "left" of #net.elementwise<4x6 by 4x6> : !token.stream<4x6 in 0 to 3>
  token.factor %1 is "right" of #net.elementwise<4x6 by 4x6> : !token.stream<4x6 in 0 to 3>
  token.fire stairs @s alphabet ternary bits 9
}
// CHECK: the product gives 4 rows of 6, the layer has 2 rows of 6

// -----

// The sum over a row is one of all columns.
%x = "test.op"() : () -> !token.stream<4x6 in 0 to 3>
%a = token.actor "a" columns 0 to 3 of 6 reads %x : !token.stream<4x6 in 0 to 3> -> !token.stream<4x3 in 0 to 3> {
^bb0(%0: !token.stream<4x6 in 0 to 3>):
  token.add %0 by @ones map <4x1 to 4x1 window <kernel [1, 1]>> : !token.stream<4x6 in 0 to 3>
  token.softmax exps @e scale 1 shift 2 alphabet ternary bits 5
}
// CHECK: a softmax or a norm needs whole rows: all columns of the layer

// -----

token.softmax exps @e scale 0 shift 2 alphabet ternary bits 5
// CHECK: the scale of a softmax is positive, its shift 0 to 62

// -----

token.softmax exps @e scale 1 shift 63 alphabet ternary bits 5
// CHECK: the scale of a softmax is positive, its shift 0 to 62

// -----

token.norm thresholds @t signs @s fraction 24 epsilon -1 bits 20 alphabet ternary width 3
// CHECK: the epsilon of a normalization is not negative

// -----

token.norm thresholds @t signs @s fraction 63 epsilon 1 bits 20 alphabet ternary width 3
// CHECK: a normalization has 0 to 62 fractional bits

// -----

token.norm thresholds @t signs @s fraction 24 epsilon 1 bits -1 alphabet ternary width 3
// CHECK: a normalization has 0 to 62 fractional bits
