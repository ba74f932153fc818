// RUN: %elsac-opt %s | %elsac-opt | filecheck %s
// RUN: %elsac-opt %s --print-op-generic | %elsac-opt | filecheck %s
// RUN: %elsac-opt %s --print-op-generic | filecheck %s --check-prefix GENERIC

net.blob @rows : tensor<1x2x2xi8> ints [5, 7, 6, 8]
net.blob @part : tensor<1x2x1xi64> ints [3, 4]
net.blob @ones : tensor<2xi8> ints [1, 1]
net.blob @classes : tensor<4xi32> ints [0, 0, 0, 0]
net.blob @starts : tensor<5xi32> ints [0, 0, 1, 1, 2]
net.blob @targets : tensor<2x2xi32> ints [0, 0, 1, 1]
net.blob @depends : tensor<4xi32> ints [1, 1, 1, 1]
net.blob @half : tensor<!net.rational> rationals ["1/2"]

// What the host writes, and how it makes integers of it.
elsa.input "x" {coding = "bitplane", zero = 0 : i64}
// CHECK:   elsa.input "x" {coding = "bitplane", zero = 0 : i64}
// GENERIC: "elsa.input"() <{tensor_name = "x", numbers = {coding = "bitplane", zero = 0 : i64}}>

// The tables of a program. Ops index them by symbol, words by number. Arrays are blobs.
elsa.window @window0 <2x2 to 2x2 window <kernel [3, 3], pads [1, 1, 1, 1]>>
elsa.weights @weights0 @rows from 0 group 2 bits 5
elsa.constants @constants0 @ones from 2 bits 2
elsa.stairs @stairs0 @part above -8
elsa.stairs @stairs1 @part above 0 classes @classes
elsa.map @map0 @starts targets @targets spines 2 channels 2
// CHECK:   elsa.window @window0 <2x2 to 2x2 window <kernel [3, 3], pads [1, 1, 1, 1]>>
// GENERIC: "elsa.window"() <{sym_name = "window0", map = #token.map<2x2 to 2x2 window <kernel [3, 3], pads [1, 1, 1, 1]>>}>
// CHECK:   elsa.weights @weights0 @rows from 0 group 2 bits 5
// GENERIC: "elsa.weights"() <{sym_name = "weights0", blob = @rows, first_input = 0 : i64, inputs_per_group = 2 : i64, bits = 5 : i64}>
// CHECK:   elsa.constants @constants0 @ones from 2 bits 2
// GENERIC: "elsa.constants"() <{sym_name = "constants0", blob = @ones, first_input = 2 : i64, bits = 2 : i64}>
// CHECK:   elsa.stairs @stairs0 @part above -8
// CHECK:   elsa.stairs @stairs1 @part above 0 classes @classes
// GENERIC: "elsa.stairs"() <{sym_name = "stairs1", blob = @part, lo = 0 : i64, classes = @classes}>
// CHECK:   elsa.map @map0 @starts targets @targets spines 2 channels 2
// GENERIC: "elsa.map"() <{sym_name = "map0", starts = @starts, targets = @targets, spines = 2 : i64, channels = 2 : i64}>

// What threads report of the answer so far, and the decision to end the sample by it.
net.blob @exps : tensor<2xi32> ints [1, 1]
net.blob @scales : tensor<2x2xi64> ints [5, 6, 7, 8]
elsa.decision @decision0 "class" in @t2 of 2 exps @exps
elsa.logits @logits0 "charge" from 0 step 1 of 2 to @decision0 at 0 scales @scales shift 30
// CHECK:   elsa.decision @decision0 "class" in @t2 of 2 exps @exps
// GENERIC: "elsa.decision"() <{sym_name = "decision0", rule = "class", thread = @t2, values = 2 : i64, exps = @exps}>
// CHECK:   elsa.logits @logits0 "charge" from 0 step 1 of 2 to @decision0 at 0 scales @scales shift 30
// GENERIC: "elsa.logits"() <{sym_name = "logits0", kind = "charge", first = 0 : i64, stride = 1 : i64, count = 2 : i64, decision = @decision0, base = 0 : i64, scales = @scales, shift = 30 : i64}>

elsa.core @core9 at [0, 0] {
  // A thread with a part of the answer has a fourth handler, for the end of a step.
  elsa.thread @t2 of "head" {order = 2 : i64, rows = 1 : i64, columns = 2 : i64, column_base = 0 : i64, row_base = 0 : i64, lo = 0 : i64, hi = 0 : i64, membrane_bits = 9 : i64, trace_spines = 0 : i64, trace_columns = 0 : i64} depends @depends routes [] {
  ^bb0:
  } row {
    elsa.end
  } step {
    elsa.report @logits0
    elsa.exit @decision0
    elsa.end
  }
}
// CHECK:        } row {
// CHECK-NEXT:     elsa.end
// CHECK-NEXT:   } step {
// CHECK-NEXT:     elsa.report @logits0
// CHECK-NEXT:     elsa.exit @decision0
// CHECK-NEXT:     elsa.end
// CHECK-NEXT:   }
// GENERIC: "elsa.report"() <{logits = @logits0}>
// GENERIC: "elsa.exit"() <{decision = @decision0}>

// A core stands at a place of the mesh and has threads.
elsa.core @core0 at [1, 0] {
  // The thread of an input puts spikes into the network. It has no ports: `^bb0` says that its block is empty.
  elsa.thread @t0 of "x" {order = 0 : i64, rows = 4 : i64, columns = 2 : i64, column_base = 0 : i64, row_base = 0 : i64, lo = 0 : i64, hi = 15 : i64, membrane_bits = 0 : i64, trace_spines = 0 : i64, trace_columns = 0 : i64} depends @depends input 0 routes [] {
  ^bb0:
  } row {
    elsa.inject
    elsa.send
    elsa.end
  }
  // Others read streams, at ports. Handlers are runs of instructions: for a packet of spikes, for the end of a
  // spine, and for a row that has all it waits for. A loop goes over the rows that a spine feeds.
  elsa.thread @t1 of "conv1" {order = 1 : i64, rows = 4 : i64, columns = 2 : i64, column_base = 2 : i64, row_base = 0 : i64, lo = 0 : i64, hi = 1 : i64, membrane_bits = 9 : i64, trace_spines = 4 : i64, trace_columns = 2 : i64} depends @depends routes [#token.route<(1, 0), (0, 0)>] memory {weights_at = 0 : i64} {
    elsa.port @t0 base 0 spines 0 to 4 of 4 spikes {
      elsa.taps @window0
      elsa.acc @weights0 shift 3
      elsa.add @constants0
      elsa.next
      elsa.scat @map0
      elsa.trace base 0
      elsa.end
    } end {
      elsa.taps @window0
      elsa.count
      elsa.next
      elsa.scount @map0
      elsa.end
    }
  } row {
    elsa.fire @stairs0
    elsa.max @window0
    elsa.flow
    elsa.send
    elsa.end
  }
}
// CHECK:      elsa.core @core0 at [1, 0] {
// CHECK-NEXT:   elsa.thread @t0 of "x" {{{.*}}} depends @depends input 0 routes [] {
// CHECK:        } row {
// CHECK-NEXT:     elsa.inject
// CHECK-NEXT:     elsa.send
// CHECK-NEXT:     elsa.end
// CHECK-NEXT:   }
// CHECK-NEXT:   elsa.thread @t1 of "conv1" {{{.*}}} depends @depends routes [#token.route<(1, 0), (0, 0)>] memory {weights_at = 0 : i64} {
// CHECK-NEXT:     elsa.port @t0 base 0 spines 0 to 4 of 4 spikes {
// CHECK-NEXT:       elsa.taps @window0
// CHECK-NEXT:       elsa.acc @weights0 shift 3
// CHECK-NEXT:       elsa.add @constants0
// CHECK-NEXT:       elsa.next
// CHECK-NEXT:       elsa.scat @map0
// CHECK-NEXT:       elsa.trace base 0
// CHECK-NEXT:       elsa.end
// CHECK-NEXT:     } end {
// CHECK-NEXT:       elsa.taps @window0
// CHECK-NEXT:       elsa.count
// CHECK-NEXT:       elsa.next
// CHECK-NEXT:       elsa.scount @map0
// CHECK-NEXT:       elsa.end
// CHECK-NEXT:     }
// CHECK-NEXT:   } row {
// CHECK-NEXT:     elsa.fire @stairs0
// CHECK-NEXT:     elsa.max @window0
// CHECK-NEXT:     elsa.flow
// CHECK-NEXT:     elsa.send
// CHECK-NEXT:     elsa.end

// GENERIC:      "elsa.core"() <{sym_name = "core0", place = array<i64: 1, 0>}> ({
// GENERIC-NEXT:   "elsa.thread"() <{sym_name = "t0", layer = "x", numbers = {{{.*}}}, depends = @depends, input = 0 : i64, routes = []}> ({
// GENERIC:        "elsa.inject"() : () -> ()
// GENERIC:        "elsa.send"() : () -> ()
// GENERIC:        "elsa.end"() : () -> ()
// GENERIC:      "elsa.port"() <{source = @t0, column_base = 0 : i64, first = 0 : i64, stop = 4 : i64, spines = 4 : i64}> ({
// GENERIC-NEXT:   "elsa.taps"() <{window = @window0}> : () -> ()
// GENERIC-NEXT:   "elsa.acc"() <{weights = @weights0, shift = 3 : i64}> : () -> ()
// GENERIC-NEXT:   "elsa.add"() <{constants = @constants0}> : () -> ()
// GENERIC-NEXT:   "elsa.next"() : () -> ()
// GENERIC-NEXT:   "elsa.scat"() <{map = @map0}> : () -> ()
// GENERIC-NEXT:   "elsa.trace"() <{base = 0 : i64}> : () -> ()
// GENERIC:        "elsa.count"() : () -> ()
// GENERIC:        "elsa.scount"() <{map = @map0}> : () -> ()
// GENERIC:        "elsa.fire"() <{stairs = @stairs0}> : () -> ()
// GENERIC-NEXT:   "elsa.max"() <{window = @window0}> : () -> ()
// GENERIC-NEXT:   "elsa.flow"() : () -> ()

// What the host reads: tracers, as ONNX integers, or charges, as real numbers; a probe is for comparisons.
elsa.reading "a" "tracer" of [@t1] shape [2, 2, 2] for "probe" zero -8 as "INT4"
elsa.reading "b" "charge" of [@t0, @t1] shape [16] for "value" factor @half offset @half at @starts
// CHECK:   elsa.reading "a" "tracer" of [@t1] shape [2, 2, 2] for "probe" zero -8 as "INT4"
// GENERIC: "elsa.reading"() <{tensor_name = "a", kind = "tracer", threads = [@t1], shape = array<i64: 2, 2, 2>, use = "probe", zero = -8 : i64, element_type = "INT4"}>
// CHECK:   elsa.reading "b" "charge" of [@t0, @t1] shape [16] for "value" factor @half offset @half at @starts
// GENERIC: "elsa.reading"() <{tensor_name = "b", kind = "charge", threads = [@t0, @t1], shape = array<i64: 16>, use = "value", factor = @half, offset = @half, index = @starts}>
