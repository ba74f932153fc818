// RUN: %elsac-opt %s -p tile-columns | filecheck %s

// The rows of a softmax are whole, so a layer of scores that is too large is cut into ranges of rows. Here 2 heads of
// 700 queries and as many keys: 1400 rows of 700 membranes with 21 bits, 2572500 bytes, and a core has 1228800. Three
// tiles of at most 467 rows, which begin anywhere in a head.

net.blob @exps : tensor<2xi64> ints [16, 6]
net.blob @stairs : tensor<3x1x4xi64> ints [1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3]

%q = token.source "q" shape [700, 4] scale "1" zero 0 as "UINT4" coding bitplane : !token.stream<700x4 in 0 to 3>
%k = token.source "k" shape [700, 4] scale "1" zero 0 as "UINT4" coding bitplane : !token.stream<700x4 in 0 to 3>
%p = token.actor "scores" columns 0 to 700 of 700 reads %q, %k : !token.stream<700x4 in 0 to 3>, !token.stream<700x4 in 0 to 3> -> !token.stream<1400x700 in 0 to 3> {
^bb0(%0: !token.stream<700x4 in 0 to 3>, %1: !token.stream<700x4 in 0 to 3>):
  token.factor %0 is "left" of #net.product<2 x 700x2x700 left columns right columns transposed out rows> : !token.stream<700x4 in 0 to 3>
  token.factor %1 is "right" of #net.product<2 x 700x2x700 left columns right columns transposed out rows> : !token.stream<700x4 in 0 to 3>
  token.softmax exps @exps scale 1 shift 2 alphabet ternary bits 21
}
// CHECK:      %p = token.actor "scores" columns 0 to 700 of 700 lines 0 to 466 of 1400 reads %q, %k :
// CHECK:      %p_1 = token.actor "scores" columns 0 to 700 of 700 lines 466 to 933 of 1400 reads %q, %k :
// CHECK:      %p_2 = token.actor "scores" columns 0 to 700 of 700 lines 933 to 1400 of 1400 reads %q, %k :

// What reads them reads all three, the left factor from spines 0, 466 and 933 on.
%o = token.actor "mixed" columns 0 to 4 of 4 reads %p, %k : !token.stream<1400x700 in 0 to 3>, !token.stream<700x4 in 0 to 3> -> !token.stream<700x4 in 0 to 3> {
^bb0(%2: !token.stream<1400x700 in 0 to 3>, %3: !token.stream<700x4 in 0 to 3>):
  token.factor %2 is "left" of #net.product<2 x 700x700x2 left rows right columns out columns> : !token.stream<1400x700 in 0 to 3>
  token.factor %3 is "right" of #net.product<2 x 700x700x2 left rows right columns out columns> : !token.stream<700x4 in 0 to 3>
  token.fire stairs @stairs alphabet ternary bits 14
}
// Heads lie in columns now, and each of the 4 PEs has one column. For that alone it needs the weights of a whole head:
// 700 x 700 delivered tracers in 3 bits are 183750 bytes, and it has 102400 for them. Half of the rows do: 91875 bytes,
// and 263 for its column of values.
// CHECK:      %o = token.actor "mixed" columns 0 to 4 of 4 lines 0 to 350 of 700 reads %p, %p_1, %p_2, %k :
// CHECK-NEXT: ^bb0
// CHECK-NEXT:   token.factor {{%\d+}} is "left"
// CHECK-NEXT:   token.factor {{%\d+}} spine 466 is "left"
// CHECK-NEXT:   token.factor {{%\d+}} spine 933 is "left"
// CHECK-NEXT:   token.factor {{%\d+}} is "right"
// CHECK:      token.actor "mixed" columns 0 to 4 of 4 lines 350 to 700 of 700 reads %p, %p_1, %p_2, %k :
