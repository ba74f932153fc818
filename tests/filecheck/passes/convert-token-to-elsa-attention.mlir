// RUN: %elsac-opt %s -p convert-token-to-elsa | filecheck %s

// Attention of 3 queries and 2 keys with 2 heads of 1 number each. The scores lie in 6 rows, head below head; this
// tile has rows 2 to 4: the last of the first head, and two of the second.

net.blob @exps : tensor<2xi64> ints [16, 6]
net.blob @absent : tensor<6x2xi8> ints [0, 1, 0, 0, 0, 1, 0, 1, 0, 1, 0, 0]
net.blob @thresholds : tensor<2x1xi64> ints [7, 8]
net.blob @signs : tensor<2xi32> ints [1, -1]
net.blob @ones : tensor<2xi8> ints [1, 1]
net.blob @points : tensor<1x2x2xi64> ints [3, 4, 5, 6]
net.blob @alike : tensor<1x1x2xi64> ints [0, 1]
net.blob @levels : tensor<2xi32> ints [0, 1]
net.blob @classes : tensor<3xi32> ints [0, 1, 1]

// A product names the thread that forms it. Its delivered tracers are as wide as those of the streams: 0 to 3 takes
// 3 bits with a sign, -1 to 1 takes 2.
// CHECK-DAG: elsa.product [[P:@\w+]] #net.product<2 x 3x1x2 left columns right columns transposed out rows> in @t2 bits 3 by 2

// Of what is absent, a tile has its own rows: these three are alike.
// CHECK-DAG: net.blob @absent_part : tensor<1x2xi8> ints [0, 1]
// CHECK-DAG: elsa.softmax_table [[SOFTMAX:@\w+]] @exps scale 1 shift 2 without @absent_part

// Query 2 feeds rows 2 and 5 (of both heads, as they lie side by side), queries 0 and 1 rows 3 and 4. So each row
// waits for one query, and for both keys: this is the barrier of a softmax, and nobody had to ask for it.
// CHECK-DAG: net.blob [[WAITS:@depends\w*]] : tensor<3xi32> ints [3, 3, 3]

// Breakpoints are cut to the columns of a tile, [classes, columns, pieces]; thresholds are not.
// CHECK-DAG: net.blob @points_part : tensor<2x1x1xi64> ints [4, 6]
// CHECK-DAG: elsa.curve_table @curve0 @points_part levels @levels classes @classes
// CHECK-DAG: elsa.norm_table @norm0 @thresholds signs @signs above -1 fraction 3 epsilon 5 bits 2 rms

%q = token.source "q" shape [3, 2] scale "1" zero 0 as "UINT4" coding bitplane core 0 place [0, 0] routes [] : !token.stream<3x2 in 0 to 3>
%k = token.source "k" shape [2, 2] scale "1" zero 0 as "INT2" coding bitplane core 0 place [0, 0] routes [] : !token.stream<2x2 in -1 to 1>
%p = token.actor "scores" columns 0 to 2 of 2 lines 2 to 5 of 6 reads %q, %k core 0 place [0, 0] routes [] : !token.stream<3x2 in 0 to 3>, !token.stream<2x2 in -1 to 1> -> !token.stream<3x2 in 0 to 3> {
^bb0(%0: !token.stream<3x2 in 0 to 3>, %1: !token.stream<2x2 in -1 to 1>):
  token.factor %0 is "left" of #net.product<2 x 3x1x2 left columns right columns transposed out rows> : !token.stream<3x2 in 0 to 3>
  token.factor %1 is "right" of #net.product<2 x 3x1x2 left columns right columns transposed out rows> : !token.stream<2x2 in -1 to 1>
  token.softmax exps @exps scale 1 shift 2 without @absent alphabet ternary bits 4
}
// CHECK:      elsa.thread @t2 of "scores" {{.*}} rows = 3 : i64, columns = 2 : i64, column_base = 0 : i64, row_base = 2 : i64, {{.*}} membrane_bits = 4 : i64, {{.*}} depends [[WAITS]]
// CHECK:        elsa.port @t0 base 0 spines 0 to 3 of 3 spikes {
// CHECK-NEXT:     elsa.left [[P]] base 0
// CHECK-NEXT:     elsa.end
// CHECK-NEXT:   } end {
// CHECK-NEXT:     elsa.lcount [[P]] base 0
// CHECK-NEXT:     elsa.end
// CHECK:        elsa.port @t1 base 0 spines 0 to 2 of 2 spikes {
// CHECK-NEXT:     elsa.right [[P]] base 0
// CHECK:        } end {
// CHECK-NEXT:     elsa.rcount [[P]] base 0
// CHECK:      } row {
// CHECK-NEXT:   elsa.softmax [[SOFTMAX]]
// CHECK-NEXT:   elsa.send
// CHECK-NEXT:   elsa.end

// Weights of this tile by values of head 1 alone: of the 6 rows of the left factor it is sent the last three, and
// one column of the values, which begins at column 1 of the factor. Each row waits for itself and for two values.
%o = token.actor "mixed" columns 1 to 2 of 2 reads %p, %k core 0 place [0, 0] routes [] : !token.stream<3x2 in 0 to 3>, !token.stream<2x2 in -1 to 1> -> !token.stream<3x1 in 0 to 1> {
^bb0(%2: !token.stream<3x2 in 0 to 3>, %3: !token.stream<2x2 in -1 to 1>):
  token.factor %2 spine 2 is "left" of #net.product<2 x 3x2x1 left rows right columns out columns> : !token.stream<3x2 in 0 to 3>
  token.factor %3 is "right" of #net.product<2 x 3x2x1 left rows right columns out columns> : !token.stream<2x2 in -1 to 1>
  token.curve at @points levels @levels classes @classes alphabet ternary bits 4
}
// CHECK:      elsa.thread @t3 of "mixed"
// CHECK:        elsa.port @t2 base 0 spines 1 to 3 of 3 spikes {
// CHECK-NEXT:     elsa.left @product1 base 2
// CHECK:          elsa.lcount @product1 base 2
// CHECK:      } row {
// CHECK-NEXT:   elsa.curve @curve0

// A norm.
%n = token.actor "norm" columns 0 to 2 of 2 reads %k core 0 place [0, 0] routes [] : !token.stream<2x2 in -1 to 1> -> !token.stream<2x2 in -1 to 0> {
^bb0(%4: !token.stream<2x2 in -1 to 1>):
  token.add %4 by @ones map <2x1 to 2x1 window <kernel [1, 1]>> : !token.stream<2x2 in -1 to 1>
  token.norm thresholds @thresholds signs @signs fraction 3 epsilon 5 bits 2 rms alphabet ternary width 2
}
// CHECK:      elsa.thread @t4 of "norm"
// CHECK:      } row {
// CHECK-NEXT:   elsa.norm @norm0
// CHECK-NEXT:   elsa.send

// Nobody feeds these: the rows run their handler once a step.
%c = token.actor "class" columns 0 to 2 of 2 reads core 0 place [0, 0] routes [] : -> !token.stream<1x2 in 0 to 1> {
  token.curve at @alike levels @levels alphabet ternary bits 1
}
// CHECK:      elsa.thread @t5 of "class" {{.*}} depends [[FREE:@\w+]] {{.*}} {
// CHECK-NEXT: ^bb0:
// CHECK-NEXT: } row {
