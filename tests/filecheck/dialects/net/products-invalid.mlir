// RUN: %elsac-opt %s --split-input-file --verify-diagnostics --parsing-diagnostics | filecheck %s

"test.op"() {a = #net.product<0 x 4x5x6 left rows right rows out rows>} : () -> ()
// CHECK: a product has at least one head and no empty matrix

// -----

"test.op"() {a = #net.product<2 x 4x5x6 left rows right planes out rows>} : () -> ()
// CHECK: the heads of a product lie in rows or in columns

// -----

"test.op"() {a = #net.elementwise<4x5 by 2x5>} : () -> ()
// CHECK: sizes of an element-wise product are equal, or one of them is 1
