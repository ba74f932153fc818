// RUN: %elsac-opt %s --split-input-file --verify-diagnostics --parsing-diagnostics | filecheck %s

// Operands fit into their slots of the word: 8 bits, unsigned, for a shift.
elsa.acc @weights0 shift 256
// CHECK: shift is 0 to 255

// -----

elsa.core @core0 at [1] {
^bb0:
}
// CHECK: a core is at a place x, y

// -----

elsa.core @core0 at [1, 0] {
  elsa.end
}
// CHECK: a core holds threads and nothing else

// -----

elsa.thread @t0 of "x" {order = 0 : i64} depends @depends routes [] {
^bb0:
} row {
  elsa.end
}
// CHECK: the numbers of a thread are order, rows, columns, column_base, row_base, lo, hi, membrane_bits, trace_spines, trace_columns

// -----

elsa.thread @t0 of "x" {order = 0 : i64, rows = 1 : i64, columns = 1 : i64, column_base = 0 : i64, row_base = 0 : i64, lo = 0 : i64, hi = 1 : i64, membrane_bits = 0 : i64, trace_spines = 0 : i64, trace_columns = 0 : i64} depends @depends routes [] {
  elsa.trace base 0
} row {
  elsa.end
}
// CHECK: the body of a thread holds ports and nothing else

// -----

// Weights are added where spikes arrive, not where a row fires.
elsa.thread @t0 of "x" {order = 0 : i64, rows = 1 : i64, columns = 1 : i64, column_base = 0 : i64, row_base = 0 : i64, lo = 0 : i64, hi = 1 : i64, membrane_bits = 0 : i64, trace_spines = 0 : i64, trace_columns = 0 : i64} depends @depends routes [] {
^bb0:
} row {
  elsa.trace base 0
  elsa.end
}
// CHECK: 'trace' does not stand in a handler of this kind

// -----

// Neurons fire where rows are ready.
elsa.port @t0 base 0 spines 0 to 4 of 4 spikes {
  elsa.fire @stairs0
  elsa.end
} end {
  elsa.end
}
// CHECK: 'fire' does not stand in a handler of this kind

// -----

// Rows are counted down at the end of a spine.
elsa.port @t0 base 0 spines 0 to 4 of 4 spikes {
  elsa.taps @window0
  elsa.count
  elsa.next
  elsa.end
} end {
  elsa.end
}
// CHECK: 'count' does not stand in a handler of this kind

// -----

// And tracers move when a spike comes.
elsa.port @t0 base 0 spines 0 to 4 of 4 spikes {
  elsa.end
} end {
  elsa.trace base 0
  elsa.end
}
// CHECK: 'trace' does not stand in a handler of this kind

// -----

// Without a loop there is no row to add to.
elsa.port @t0 base 0 spines 0 to 4 of 4 spikes {
  elsa.add @constants0
  elsa.end
} end {
  elsa.end
}
// CHECK: 'add' stands inside of a loop

// -----

// Loops are not nested.
elsa.port @t0 base 0 spines 0 to 4 of 4 spikes {
  elsa.taps @window0
  elsa.taps @window0
  elsa.next
  elsa.next
  elsa.end
} end {
  elsa.end
}
// CHECK: 'taps' stands outside of a loop

// -----

// A loop begins before it ends,
elsa.port @t0 base 0 spines 0 to 4 of 4 spikes {
  elsa.next
  elsa.end
} end {
  elsa.end
}
// CHECK: 'next' stands inside of a loop

// -----

// and ends before the handler does.
elsa.port @t0 base 0 spines 0 to 4 of 4 spikes {
  elsa.taps @window0
  elsa.end
} end {
  elsa.end
}
// CHECK: 'end' stands outside of a loop

// -----

// A handler has one end, its last instruction.
elsa.port @t0 base 0 spines 0 to 4 of 4 spikes {
  elsa.end
  elsa.end
} end {
  elsa.end
}
// CHECK: a handler ends in its only 'end'

// -----

// Without it, the core would run on.
elsa.port @t0 base 0 spines 0 to 4 of 4 spikes {
  elsa.trace base 0
} end {
  elsa.end
}
// CHECK: a handler ends in its only 'end'

// -----

elsa.port @t0 base 0 spines 0 to 4 of 4 spikes {
  "test.op"() : () -> ()
  elsa.end
} end {
  elsa.end
}
// CHECK: a handler holds instructions and nothing else

// -----

elsa.reading "a" "membrane" of [@t1] shape [2] for "probe" zero 0 as "UINT4"
// CHECK: a reading is a charge or a tracer, for a probe or a value

// -----

elsa.reading "a" "tracer" of [@t1] shape [2] for "fun" zero 0 as "UINT4"
// CHECK: a reading is a charge or a tracer, for a probe or a value

// -----

elsa.reading "a" "charge" of [@t1] shape [2] for "value" zero 0 as "UINT4"
// CHECK: a charge is read with factor and offset, a tracer without

// -----

elsa.reading "a" "tracer" of [@t1] shape [2] for "value" factor @f offset @f
// CHECK: a charge is read with factor and offset, a tracer without

// -----

elsa.port @t0 base 0 spines 2 to 5 of 4 spikes {
  elsa.end
} end {
  elsa.end
}
// CHECK: the spines that are delivered are a range of the stream's

// -----

elsa.decision @d "luck" in @t1 of 2 exps @exps
// CHECK: the rule of a decision is one of class, objectness

// -----

elsa.logits @l "spikes" from 0 step 1 of 2 to @d at 0 scales @scales shift 30
// CHECK: logits are of the kind charge or tracer

// -----

elsa.thread @t0 of "x" {order = 0 : i64, rows = 4 : i64, columns = 2 : i64, column_base = 0 : i64, row_base = 0 : i64, lo = 0 : i64, hi = 15 : i64, membrane_bits = 0 : i64, trace_spines = 0 : i64, trace_columns = 0 : i64} depends @depends routes [] {
^bb0:
} row {
  elsa.end
} step {
  elsa.send
  elsa.end
}
// CHECK: 'send' does not stand in a handler of this kind
