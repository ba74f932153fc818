// RUN: %elsac-opt %s | %elsac-opt | filecheck %s
// RUN: %elsac-opt %s --print-op-generic | %elsac-opt | filecheck %s

// Which elements of two operands meet: heads, then m x k x n, then where heads lie in the operands and in
// the result, and which operands hold their matrices transposed.
"test.op"() {
  plain = #net.product<6 x 197x64x197 left rows right rows out rows>,
  // CHECK: plain = #net.product<6 x 197x64x197 left rows right rows out rows>,
  turned = #net.product<1 x 4x5x6 left columns transposed right rows transposed out columns>,
  // CHECK-SAME: turned = #net.product<1 x 4x5x6 left columns transposed right rows transposed out columns>,
  // Element by element, where a size of 1 meets all of the other.
  gate = #net.elementwise<5x8 by 1x8>
  // CHECK-SAME: gate = #net.elementwise<5x8 by 1x8>}
} : () -> ()
