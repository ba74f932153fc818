// RUN: %elsac-opt %s | %elsac-opt | filecheck %s
// RUN: %elsac-opt %s --print-op-generic | %elsac-opt | filecheck %s
// RUN: %elsac-opt %s --print-op-generic | filecheck %s --check-prefix GENERIC

// A blob is an array that ops name by its symbol. A small one stands in the text:
net.blob @thresholds : tensor<2x2xi64> ints [-4611686018427387903, -3, 0, 8]
// CHECK: net.blob @thresholds : tensor<2x2xi64> ints [-4611686018427387903, -3, 0, 8]
// GENERIC: "net.blob"() <{sym_name = "thresholds", type = tensor<2x2xi64>, ints = array<i64: -4611686018427387903, -3, 0, 8>}>

// Scales are exact rationals; they stand in the text as fractions.
net.blob @factors : tensor<3x!net.rational> rationals ["1/3", "-2", "5/4"]
// CHECK: net.blob @factors : tensor<3x!net.rational> rationals ["1/3", "-2", "5/4"]
// GENERIC: "net.blob"() <{sym_name = "factors", type = tensor<3x!net.rational>, rationals = ["1/3", "-2", "5/4"]}>

// A large one lies in the weight store, under the hash of its content.
net.blob @weights : tensor<64x64x3x3xi8> from "sha256:00ff"
// CHECK: net.blob @weights : tensor<64x64x3x3xi8> from "sha256:00ff"
// GENERIC: "net.blob"() <{sym_name = "weights", type = tensor<64x64x3x3xi8>, key = "sha256:00ff"}>

// One number for all elements: a blob of rank 0. And an empty one, the staircase of a constant.
net.blob @one : tensor<!net.rational> rationals ["1"]
net.blob @none : tensor<0x4xi64> ints []
// CHECK: net.blob @one : tensor<!net.rational> rationals ["1"]
// CHECK: net.blob @none : tensor<0x4xi64> ints []

// A window slides over a map. Only the kernel has to be given.
"test.op"() {
  plain = #net.window<kernel [3, 3]>,
  // CHECK: plain = #net.window<kernel [3, 3]>,
  strided = #net.window<kernel [2, 2], stride [2, 1]>,
  // CHECK-SAME: strided = #net.window<kernel [2, 2], stride [2, 1]>,
  // Pads are top, left, bottom, right; a negative one crops.
  padded = #net.window<kernel [3, 3], pads [1, 1, 0, -1], dilation [2, 2]>,
  // CHECK-SAME: padded = #net.window<kernel [3, 3], pads [1, 1, 0, -1], dilation [2, 2]>,
  // What has its usual value is not printed.
  verbose = #net.window<kernel [1, 1], stride [1, 1], pads [0, 0, 0, 0], dilation [1, 1]>
  // CHECK-SAME: verbose = #net.window<kernel [1, 1]>}
} : () -> ()
