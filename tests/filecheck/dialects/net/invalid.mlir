// RUN: %elsac-opt %s --split-input-file --verify-diagnostics --parsing-diagnostics | filecheck %s

// Exactly one place to read the elements from.
net.blob @nowhere : tensor<2xi8>
// CHECK: a blob has exactly one of ints, rationals and a key

// -----

net.blob @twice : tensor<2xi8> ints [1, 2] from "sha256:00"
// CHECK: a blob has exactly one of ints, rationals and a key

// -----

// No floating-point numbers: they are not exact.
net.blob @float : tensor<2xf32> from "sha256:00"
// CHECK: the elements of a blob are i8, i16, i32, i64 or !net.rational

// -----

net.blob @mixed : tensor<2xi8> rationals ["1", "2"]
// CHECK: the elements of a blob agree with its type

// -----

net.blob @mixed : tensor<2x!net.rational> ints [1, 2]
// CHECK: the elements of a blob agree with its type

// -----

net.blob @short : tensor<2x2xi8> ints [1, 2, 3]
// CHECK: the type has 4 elements, the blob gives 3

// -----

// Windows are two-dimensional.
"test.op"() {w = #net.window<kernel [3]>} : () -> ()
// CHECK: a window has two kernel sizes, two strides, four pads, two dilations

// -----

"test.op"() {w = #net.window<kernel [3, 3], stride [0, 1]>} : () -> ()
// CHECK: kernel, stride and dilation of a window are at least 1

// -----

"test.op"() {w = #net.window<kernel [3, 3], padding [0, 1]>} : () -> ()
// CHECK: expected stride, pads or dilation

// -----

net.blob @a : tensor<2xi8> ints [1, 300]
// CHECK: 300 does not fit into i8

// -----

net.blob @a : tensor<2xi16> ints [-32769, 1]
// CHECK: -32769 does not fit into i16

// -----

net.blob @a : tensor<1x!net.rational> rationals ["1/0"]
// CHECK: '1/0' is no rational: give n or n/d

// -----

net.blob @a : tensor<1x!net.rational> rationals ["abc"]
// CHECK: 'abc' is no rational: give n or n/d

// -----

net.blob @a : tensor<?xi8> from "sha256:01"
// CHECK: a blob has a size in every dimension
