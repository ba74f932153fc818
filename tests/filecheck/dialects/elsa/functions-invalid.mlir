// RUN: %elsac-opt %s --split-input-file --verify-diagnostics --parsing-diagnostics | filecheck %s

elsa.product @p #net.elementwise<4x6 by 4x6> in @t bits 0 by 3
// CHECK: the delivered tracers of a product have at least one bit

// -----

elsa.softmax_table @s @exps scale 0 shift 2
// CHECK: the scale of a softmax is positive, its shift 0 to 62

// -----

elsa.softmax_table @s @exps scale 1 shift 2 classes @classes
// CHECK: rows have classes where elements are absent

// -----

elsa.norm_table @n @t signs @s above 0 fraction 24 epsilon -1 bits 20
// CHECK: the epsilon of a normalization is not negative

// -----

elsa.norm_table @n @t signs @s above 0 fraction 64 epsilon 1 bits 20
// CHECK: a normalization has 0 to 62 fractional bits

// -----

// Factors are no matter of taps: their spikes say themselves what they meet.
elsa.thread @t0 of "x" {order = 0 : i64, rows = 1 : i64, columns = 1 : i64, column_base = 0 : i64, row_base = 0 : i64, lo = 0 : i64, hi = 1 : i64, membrane_bits = 0 : i64, trace_spines = 0 : i64, trace_columns = 0 : i64} depends @depends routes [] {
  elsa.port @t1 base 0 spines 0 to 1 of 1 spikes {
    elsa.taps @w
    elsa.left @p base 0
    elsa.next
    elsa.end
  } end {
    elsa.end
  }
} row {
  elsa.end
}
// CHECK: 'left' stands outside of a loop
