// RUN: %elsac-opt %s | %elsac-opt | filecheck %s
// RUN: %elsac-opt %s --print-op-generic | %elsac-opt | filecheck %s
// RUN: %elsac-opt %s --print-op-generic | filecheck %s --check-prefix GENERIC

// A product belongs to one thread, which keeps the delivered tracers of both factors, in so many bits.
elsa.product @product0 #net.product<2 x 4x3x5 left columns right columns transposed out rows> in @t2 bits 2 by 3
// CHECK:   elsa.product @product0 #net.product<2 x 4x3x5 left columns right columns transposed out rows> in @t2 bits 2 by 3
// GENERIC: "elsa.product"() <{sym_name = "product0", map = #net.product<2 x 4x3x5 left columns right columns transposed out rows>, thread = @t2, left_bits = 2 : i64, right_bits = 3 : i64}>

// What functions of rows look up.
elsa.softmax_table @softmax0 @exps scale 1 shift 2
elsa.softmax_table @softmax1 @exps scale 3 shift 8 without @absent classes @classes
elsa.norm_table @norm0 @thresholds signs @signs above -4 fraction 24 epsilon 5 bits 20 rms
elsa.curve_table @curve0 @points levels @levels classes @classes
// CHECK:   elsa.softmax_table @softmax0 @exps scale 1 shift 2
// CHECK:   elsa.softmax_table @softmax1 @exps scale 3 shift 8 without @absent classes @classes
// GENERIC: "elsa.softmax_table"() <{sym_name = "softmax1", exps = @exps, multiplier = 3 : i64, shift = 8 : i64, absent = @absent, classes = @classes}>
// CHECK:   elsa.norm_table @norm0 @thresholds signs @signs above -4 fraction 24 epsilon 5 bits 20 rms
// GENERIC: "elsa.norm_table"() <{sym_name = "norm0", thresholds = @thresholds, signs = @signs, lo = -4 : i64, fraction = 24 : i64, epsilon = 5 : i64, epsilon_bits = 20 : i64, rms}>
// CHECK:   elsa.curve_table @curve0 @points levels @levels classes @classes
// GENERIC: "elsa.curve_table"() <{sym_name = "curve0", breakpoints = @points, levels = @levels, classes = @classes}>

elsa.core @core0 at [0, 0] {
  elsa.thread @t2 of "scores" {order = 2 : i64, rows = 8 : i64, columns = 5 : i64, column_base = 0 : i64, row_base = 0 : i64, lo = 0 : i64, hi = 3 : i64, membrane_bits = 5 : i64, trace_spines = 0 : i64, trace_columns = 0 : i64} depends @depends routes [] {
    elsa.port @t0 base 0 spines 0 to 4 of 4 spikes {
      elsa.left @product0 base 0
      elsa.end
    } end {
      elsa.lcount @product0 base 0
      elsa.end
    }
    elsa.port @t1 base 0 spines 0 to 5 of 5 spikes {
      elsa.right @product0 base -1
      elsa.end
    } end {
      elsa.rcount @product0 base -1
      elsa.end
    }
  } row {
    elsa.softmax @softmax0
    elsa.norm @norm0
    elsa.curve @curve0
    elsa.send
    elsa.end
  }
}
// CHECK:        elsa.left @product0 base 0
// CHECK:        elsa.lcount @product0 base 0
// CHECK:        elsa.right @product0 base -1
// CHECK:        elsa.rcount @product0 base -1
// CHECK:        elsa.softmax @softmax0
// CHECK-NEXT:   elsa.norm @norm0
// CHECK-NEXT:   elsa.curve @curve0
// GENERIC:      "elsa.left"() <{product = @product0, base = 0 : i64}>
// GENERIC:      "elsa.softmax"() <{softmax = @softmax0}>
