// RUN: %elsac-opt %s -p convert-token-to-elsa | filecheck %s

// Every actor becomes a thread of its core: one port for each stream, with a handler for a packet of spikes
// and one for the end of a spine, and a handler for a row that is ready. Tables that instructions index are
// symbols here.

net.blob @w : tensor<4x2x1x1xi8> ints [1, 2, 3, 4, 5, 6, 7, 8]
net.blob @stairs : tensor<1x1x4xi64> ints [1, 2, 3, 4]
net.blob @ones : tensor<4xi8> ints [1, 1, 1, 2]

// A tile has its own columns of the layer's constants: columns 2 and 3 here. One spike's weights lie
// together: [taps, inputs, outputs].
// CHECK-DAG: net.blob @w_rows : tensor<1x2x2xi8> ints [5, 7, 6, 8]
// CHECK-DAG: net.blob @stairs_part : tensor<1x2x1xi64> ints [3, 4]
// CHECK-DAG: net.blob @ones_part : tensor<4xi8> ints [1, 1, 1, 2]

// A row waits for all (spine, tap) pairs of its windows. Of a 3x3 window over a 3x3 map, the corners see 4,
// the edges 6, the middle 9.
// CHECK-DAG: net.blob [[NO_WAIT:@depends\w*]] : tensor<9xi32> ints [0, 0, 0, 0, 0, 0, 0, 0, 0]
// CHECK-DAG: net.blob [[ONE:@depends\w*]] : tensor<9xi32> ints [1, 1, 1, 1, 1, 1, 1, 1, 1]
// CHECK-DAG: net.blob [[WINDOWS:@depends\w*]] : tensor<9xi32> ints [4, 6, 4, 6, 9, 6, 4, 6, 4]

// CHECK-DAG: elsa.input "x" {shape = array<i64: 2, 3, 3>, scale = "1/2", zero = 3 : i64, element_type = "UINT4", coding = "bitplane", lo = -3 : i64, hi = 12 : i64}
// CHECK-DAG: elsa.weights [[W:@\w+]] @w_rows from 0 group 2 bits 5
// CHECK-DAG: elsa.stairs [[STAIRS:@\w+]] @stairs_part above 0
// CHECK-DAG: elsa.constants [[ONES:@\w+]] @ones_part from 0 bits 3
// CHECK-DAG: elsa.window [[PLAIN:@\w+]] <3x3 to 3x3 window <kernel [1, 1]>>
// CHECK-DAG: elsa.window [[AROUND:@\w+]] <3x3 to 3x3 window <kernel [3, 3], pads [1, 1, 1, 1]>>

%x = token.source "x" shape [2, 3, 3] scale "1/2" zero 3 as "UINT4" coding bitplane core 0 place [0, 0] routes [] : !token.stream<9x2 in -3 to 12>
// CHECK:      elsa.core @core0 at [0, 0] {
// CHECK-NEXT:   elsa.thread @t0 of "x" {order = 0 : i64, rows = 9 : i64, columns = 2 : i64, {{.*}} lo = -3 : i64, hi = 12 : i64, membrane_bits = 0 : i64, {{.*}}} depends [[NO_WAIT]] input 0 routes [] {
// CHECK:        } row {
// CHECK-NEXT:     elsa.inject
// CHECK-NEXT:     elsa.send
// CHECK-NEXT:     elsa.end

// Neurons: spikes add weight rows to the rows that their spine feeds; an ended spine counts those down.
%a = token.actor "conv1" columns 2 to 4 of 4 reads %x core 0 place [0, 0] routes [#token.route<(0, 0), (1, 0)>] : !token.stream<9x2 in -3 to 12> -> !token.stream<9x2 in 0 to 1> {
^bb0(%0: !token.stream<9x2 in -3 to 12>):
  token.accumulate %0 weight @w map <3x3 to 3x3 window <kernel [1, 1]>> groups 1 shift 3 : !token.stream<9x2 in -3 to 12>
  token.fire stairs @stairs alphabet ternary bits 9
}
// CHECK:        elsa.thread @t1 of "conv1" {order = 1 : i64, rows = 9 : i64, columns = 2 : i64, column_base = 2 : i64, row_base = 0 : i64, lo = 0 : i64, hi = 1 : i64, membrane_bits = 9 : i64, trace_spines = 0 : i64, trace_columns = 0 : i64} depends [[ONE]] pes [4, 9] routes [#token.route<(0, 0), (1, 0)>] {
// CHECK-NEXT:     elsa.port @t0 base 0 spines 0 to 9 of 9 spikes {
// CHECK-NEXT:       elsa.taps [[PLAIN]]
// CHECK-NEXT:       elsa.acc [[W]] shift 3
// CHECK-NEXT:       elsa.next
// CHECK-NEXT:       elsa.end
// CHECK-NEXT:     } end {
// CHECK-NEXT:       elsa.taps [[PLAIN]]
// CHECK-NEXT:       elsa.count
// CHECK-NEXT:       elsa.next
// CHECK-NEXT:       elsa.end
// CHECK-NEXT:     }
// CHECK-NEXT:   } row {
// CHECK-NEXT:     elsa.fire [[STAIRS]]
// CHECK-NEXT:     elsa.send
// CHECK-NEXT:     elsa.end

// A max-pool has a copy of the tracers, 9 spines of its 4 columns; it reads columns 2 and 3 of them here.
%b = token.actor "pool1" columns 0 to 4 of 4 reads %a core 1 place [1, 0] routes [] : !token.stream<9x2 in 0 to 1> -> !token.stream<9x4 in 0 to 1> {
^bb0(%1: !token.stream<9x2 in 0 to 1>):
  token.trace %1 from 2 map <3x3 to 3x3 window <kernel [3, 3], pads [1, 1, 1, 1]>> : !token.stream<9x2 in 0 to 1>
  token.maximum map <3x3 to 3x3 window <kernel [3, 3], pads [1, 1, 1, 1]>> alphabet ternary
}
// CHECK:      elsa.core @core1 at [1, 0] {
// CHECK-NEXT:   elsa.thread @t2 of "pool1" {order = 2 : i64, {{.*}} membrane_bits = 0 : i64, trace_spines = 9 : i64, trace_columns = 4 : i64} depends [[WINDOWS]] pes [4, 9] routes [] {
// CHECK-NEXT:     elsa.port @t1 base 2 spines 0 to 9 of 9 spikes {
// CHECK-NEXT:       elsa.trace base 0
// CHECK-NEXT:       elsa.end
// CHECK-NEXT:     } end {
// CHECK-NEXT:       elsa.taps [[AROUND]]
// CHECK-NEXT:       elsa.count
// CHECK-NEXT:       elsa.next
// CHECK-NEXT:       elsa.end
// CHECK-NEXT:     }
// CHECK-NEXT:   } row {
// CHECK-NEXT:     elsa.max [[AROUND]]
// CHECK-NEXT:     elsa.send
// CHECK-NEXT:     elsa.end

// A pool or a skip path adds constants, column to column. A row without a neuron keeps its charge.
%c = token.actor "sum1" columns 0 to 4 of 4 reads %b core 1 place [1, 0] routes [] memory {weights_at = 0 : i64} : !token.stream<9x4 in 0 to 1> -> !token.stream<9x4 in 0 to 0> {
^bb0(%2: !token.stream<9x4 in 0 to 1>):
  token.add %2 by @ones map <3x3 to 3x3 window <kernel [3, 3], pads [1, 1, 1, 1]>> : !token.stream<9x4 in 0 to 1>
  token.hold bits 5
}
// CHECK:        elsa.thread @t3 of "sum1" {{.*}} depends [[WINDOWS]] pes [4, 9] routes [] memory {weights_at = 0 : i64} {
// CHECK-NEXT:     elsa.port @t2 base 0 spines 0 to 9 of 9 spikes {
// CHECK-NEXT:       elsa.taps [[AROUND]]
// CHECK-NEXT:       elsa.add [[ONES]]
// CHECK-NEXT:       elsa.next
// CHECK-NEXT:       elsa.end
// CHECK:          } row {
// CHECK-NEXT:     elsa.end
// CHECK-NEXT:   }

// What the host reads, by threads.
net.blob @half : tensor<1x!net.rational> rationals ["1/2"]
net.blob @turn : tensor<36xi32> ints [35, 34, 33, 32, 31, 30, 29, 28, 27, 26, 25, 24, 23, 22, 21, 20, 19, 18, 17, 16, 15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0]
token.probe "b" %b shape [4, 3, 3] zero 0 as "UINT4" : !token.stream<9x4 in 0 to 1>
token.readout "c" %c shape [4, 3, 3] factor @half offset @half at @turn : !token.stream<9x4 in 0 to 0>
// CHECK:      elsa.reading "b" "tracer" of [@t2] shape [4, 3, 3] for "probe" zero 0 as "UINT4"
// CHECK-NEXT: elsa.reading "c" "charge" of [@t3] shape [4, 3, 3] for "value" factor @half offset @half at @turn
