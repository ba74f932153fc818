// RUN: %elsac-opt %s -p convert-token-to-elsa | filecheck %s
// RUN: %elsac-opt %s -p 'convert-token-to-elsa{exit="class"}' | filecheck %s
// RUN: %elsac-opt %s -p 'convert-token-to-elsa{exit="objectness" channels="1::2"}' | filecheck %s --check-prefix FOUND
// RUN: %elsac-opt %s -p 'convert-token-to-elsa{exit="none"}' | filecheck %s --check-prefix NONE

// An answer with classes can end a sample early. Every tile of it reports its logits to the one that runs
// last, which decides; logits are to the base 2, with 24 fractional bits and here 30 more.

net.blob @w : tensor<5x2x1x1xi8> ints [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]
net.blob @factor : tensor<5x!net.rational> rationals ["1/2", "1/4", "1/8", "1/2", "1/4"]
net.blob @offset : tensor<1x!net.rational> rationals ["0"]

// One unit of charge is log2(e) / 2 in the first column: 1.442695 / 2 * 2**54. Half a unit rounds.
// CHECK-DAG: net.blob [[LEFT:@scales\w*]] : tensor<3x2xi64> ints [12994641697113596, 536870912, 6497320848556798, 536870912, 3248660424278399, 536870912]
// CHECK-DAG: net.blob [[RIGHT:@scales\w*]] : tensor<2x2xi64> ints [12994641697113596, 536870912, 6497320848556798, 536870912]
// CHECK-DAG: net.blob @exps : tensor<256xi32>
// CHECK:      elsa.decision [[D:@\w+]] "class" in @t2 of 5 exps @exps
// CHECK-NEXT: elsa.logits [[L:@\w+]] "charge" from 0 step 1 of 3 to [[D]] at 0 scales [[LEFT]] shift 30
// CHECK-NEXT: elsa.logits [[R:@\w+]] "charge" from 0 step 1 of 2 to [[D]] at 3 scales [[RIGHT]] shift 30

// Of the objectness channels 1 and 3, the first tile has one and the second the other.
// FOUND:      elsa.decision [[D:@\w+]] "objectness" in @t2 of 2 exps @exps
// FOUND-NEXT: elsa.logits [[L:@\w+]] "charge" from 1 step 2 of 1 to [[D]] at 0
// FOUND-NEXT: elsa.logits [[R:@\w+]] "charge" from 0 step 2 of 1 to [[D]] at 1

// NONE-NOT: elsa.decision
// NONE-NOT: step {

%x = token.source "x" shape [2] scale "1/2" zero 3 as "UINT4" coding bitplane core 0 place [0, 0] routes [] : !token.stream<1x2 in -3 to 12>
%a = token.actor "head" columns 0 to 3 of 5 reads %x core 0 place [0, 0] routes [] : !token.stream<1x2 in -3 to 12> -> !token.stream<1x3 in 0 to 0> {
^bb0(%0: !token.stream<1x2 in -3 to 12>):
  token.accumulate %0 weight @w map <1x1 to 1x1 window <kernel [1, 1]>> groups 1 : !token.stream<1x2 in -3 to 12>
  token.hold bits 6
}
// CHECK:      elsa.thread @t1 of "head"
// CHECK:      } row {
// CHECK-NEXT:   elsa.end
// CHECK-NEXT: } step {
// CHECK-NEXT:   elsa.report [[L]]
// CHECK-NEXT:   elsa.end
// CHECK-NEXT: }
%b = token.actor "head" columns 3 to 5 of 5 reads %x core 1 place [1, 0] routes [] : !token.stream<1x2 in -3 to 12> -> !token.stream<1x2 in 0 to 0> {
^bb0(%1: !token.stream<1x2 in -3 to 12>):
  token.accumulate %1 weight @w map <1x1 to 1x1 window <kernel [1, 1]>> groups 1 : !token.stream<1x2 in -3 to 12>
  token.hold bits 6
}
// CHECK:      elsa.thread @t2 of "head"
// CHECK:      } step {
// CHECK-NEXT:   elsa.report [[R]]
// CHECK-NEXT:   elsa.exit [[D]]
// CHECK-NEXT:   elsa.end
// CHECK-NEXT: }
token.readout "y" %a, %b shape [5] factor @factor offset @offset : !token.stream<1x3 in 0 to 0>, !token.stream<1x2 in 0 to 0>
