// RUN: %elsac-opt %s | %elsac-opt | filecheck %s
// RUN: %elsac-opt %s --print-op-generic | %elsac-opt | filecheck %s
// RUN: %elsac-opt %s --print-op-generic | filecheck %s --check-prefix GENERIC

net.blob @stairs : tensor<3x1x6xi64> from "sha256:01"
net.blob @exps : tensor<3xi64> ints [16, 6, 2]
net.blob @absent : tensor<1x5xi8> ints [0, 0, 0, 0, 1]
net.blob @thresholds : tensor<6x3xi64> from "sha256:02"
net.blob @signs : tensor<6xi32> ints [1, 1, -1, 1, 0, 1]
net.blob @points : tensor<2x2x6xi64> from "sha256:03"
net.blob @levels : tensor<3xi32> ints [0, -1, 3]
net.blob @classes : tensor<4xi32> ints [0, 1, 1, 1]
net.blob @ones : tensor<6xi8> ints [1, 1, 1, 1, 1, 1]

%q, %k, %v = "test.op"() : () -> (!token.stream<4x6 in -2 to 1>, !token.stream<5x6 in -2 to 1>, !token.stream<5x3 in -2 to 1>)

// An actor that reads nothing: its rows wait for nothing, and where they go is a matter of the charge 0.
%c = token.actor "class token" columns 0 to 6 of 6 reads : -> !token.stream<1x6 in 0 to 3> {
  token.fire stairs @stairs alphabet ternary bits 1
}
// CHECK:      %c = token.actor "class token" columns 0 to 6 of 6 reads : -> !token.stream<1x6 in 0 to 3> {
// CHECK-NEXT:   token.fire stairs @stairs alphabet ternary bits 1
// CHECK-NEXT: }
// GENERIC:    "token.actor"() <{layer = "class token", first = 0 : i64, last = 6 : i64, total = 6 : i64}> ({

// Attention, first half: 4 queries meet 5 keys in each of 2 heads. The heads lie side by side in both streams,
// 3 columns each, and one below the other in what comes out. All columns of a row make its softmax.
%p = token.actor "scores" columns 0 to 5 of 5 reads %q, %k : !token.stream<4x6 in -2 to 1>, !token.stream<5x6 in -2 to 1> -> !token.stream<8x5 in 0 to 3> {
^bb0(%0: !token.stream<4x6 in -2 to 1>, %1: !token.stream<5x6 in -2 to 1>):
  token.factor %0 is "left" of #net.product<2 x 4x3x5 left columns right columns transposed out rows> : !token.stream<4x6 in -2 to 1>
  token.factor %1 is "right" of #net.product<2 x 4x3x5 left columns right columns transposed out rows> : !token.stream<5x6 in -2 to 1>
  token.softmax exps @exps scale 1 shift 2 without @absent alphabet ternary bits 5
}
// CHECK:      token.factor %{{.*}} is "left" of #net.product<2 x 4x3x5 left columns right columns transposed out rows> : !token.stream<4x6 in -2 to 1>
// CHECK-NEXT: token.factor %{{.*}} is "right" of #net.product<2 x 4x3x5 left columns right columns transposed out rows> : !token.stream<5x6 in -2 to 1>
// CHECK-NEXT: token.softmax exps @exps scale 1 shift 2 without @absent alphabet ternary bits 5
// GENERIC:    "token.factor"(%{{.*}}) <{side = "left", product = #net.product<2 x 4x3x5 left columns right columns transposed out rows>, base = 0 : i64, spine = 0 : i64}>
// GENERIC:    "token.softmax"() <{exps = @exps, multiplier = 1 : i64, shift = 2 : i64, absent = @absent, alphabet = #spiking<alphabet ternary>, bits = 5 : i64}>

// Second half, in a tile: the second head. `spine` and `from` say where in the factor a stream begins.
%o = token.actor "mixed" columns 3 to 6 of 6 reads %p, %v : !token.stream<8x5 in 0 to 3>, !token.stream<5x3 in -2 to 1> -> !token.stream<4x3 in 0 to 3> {
^bb0(%2: !token.stream<8x5 in 0 to 3>, %3: !token.stream<5x3 in -2 to 1>):
  token.factor %2 is "left" of #net.product<2 x 4x5x3 left rows right columns out columns> : !token.stream<8x5 in 0 to 3>
  token.factor %3 from 3 is "right" of #net.product<2 x 4x5x3 left rows right columns out columns> : !token.stream<5x3 in -2 to 1>
  token.fire stairs @stairs alphabet ternary bits 6
}
// CHECK:      token.factor %{{.*}} is "left" of
// CHECK-NEXT: token.factor %{{.*}} from 3 is "right" of #net.product<2 x 4x5x3 left rows right columns out columns> :

// A norm takes up charges like neurons do; here those of a relay.
%n = token.actor "norm" columns 0 to 6 of 6 reads %q : !token.stream<4x6 in -2 to 1> -> !token.stream<4x6 in 0 to 3> {
^bb0(%4: !token.stream<4x6 in -2 to 1>):
  token.add %4 by @ones map <4x1 to 4x1 window <kernel [1, 1]>> : !token.stream<4x6 in -2 to 1>
  token.norm thresholds @thresholds signs @signs fraction 24 epsilon 5 bits 20 rms alphabet floor width 3
}
// CHECK:   token.norm thresholds @thresholds signs @signs fraction 24 epsilon 5 bits 20 rms alphabet floor width 3
// GENERIC: "token.norm"() <{thresholds = @thresholds, signs = @signs, fraction = 24 : i64, epsilon = 5 : i64, epsilon_bits = 20 : i64, rms, alphabet = #spiking<alphabet floor>, bits = 3 : i64}>

// A curve may be cut into columns; where breakpoints change from row to row, rows have classes. The square of a
// stream: one stream is both factors, element by element.
%s = token.actor "square" columns 0 to 6 of 6 reads %q, %q : !token.stream<4x6 in -2 to 1>, !token.stream<4x6 in -2 to 1> -> !token.stream<4x6 in -1 to 3> {
^bb0(%5: !token.stream<4x6 in -2 to 1>, %6: !token.stream<4x6 in -2 to 1>):
  token.factor %5 is "left" of #net.elementwise<4x6 by 4x6> : !token.stream<4x6 in -2 to 1>
  token.factor %6 is "right" of #net.elementwise<4x6 by 4x6> : !token.stream<4x6 in -2 to 1>
  token.curve at @points levels @levels classes @classes alphabet ternary bits 4
}
// CHECK:   token.factor %{{.*}} is "right" of #net.elementwise<4x6 by 4x6> :
// CHECK:   token.curve at @points levels @levels classes @classes alphabet ternary bits 4
// GENERIC: "token.curve"() <{breakpoints = @points, levels = @levels, classes = @classes, alphabet = #spiking<alphabet ternary>, bits = 4 : i64}>
