// RUN: %elsac-opt %s -p tile-columns --elsa-target %S/Inputs/tiny.toml | filecheck %s
// RUN: %elsac-opt %s -p tile-columns | filecheck %s --check-prefix WHOLE

// A layer that is too large for a core is split into tiles of columns, as few and as equal as they can be.

net.blob @w : tensor<4x2x1x1xi8> ints [1, 2, 3, 4, 5, 6, 7, 8]
net.blob @small : tensor<2x4x1x1xi8> ints [1, 0, 1, 0, 1, 0, 1, 0]
net.blob @stairs : tensor<1x1x4xi64> ints [1, 2, 3, 4]
net.blob @ones : tensor<4xi8> ints [1, 1, 1, 1]
net.blob @swap : tensor<1x4xi32> ints [3, 2, 1, 0]
net.blob @one : tensor<1x!net.rational> rationals ["1"]
%x = token.source "x" shape [2] scale "1" zero 0 as "UINT4" coding bitplane : !token.stream<1x2 in 0 to 15>

// A column has two weights of 5 bits: 4 columns need 5 bytes, 2 need 3, and a PE has 3. Each tile reads
// all of the input, names the columns that it holds, and keeps the layer's name.
%a = token.actor "fc1" columns 0 to 4 of 4 reads %x : !token.stream<1x2 in 0 to 15> -> !token.stream<1x4 in 0 to 1> {
^bb0(%0: !token.stream<1x2 in 0 to 15>):
  token.accumulate %0 weight @w map <1x1 to 1x1 window <kernel [1, 1]>> groups 1 : !token.stream<1x2 in 0 to 15>
  token.fire stairs @stairs alphabet ternary bits 9
}
// CHECK:      [[LOW:%\w+]] = token.actor "fc1" columns 0 to 2 of 4 reads %x : !token.stream<1x2 in 0 to 15> -> !token.stream<1x2 in 0 to 1> {
// CHECK-NEXT: ^bb0([[X:%\d+]]: !token.stream<1x2 in 0 to 15>):
// CHECK-NEXT:   token.accumulate [[X]] weight @w map
// CHECK-NEXT:   token.fire stairs @stairs alphabet ternary bits 9
// CHECK-NEXT: }
// CHECK-NEXT: [[HIGH:%\w+]] = token.actor "fc1" columns 2 to 4 of 4 reads %x : !token.stream<1x2 in 0 to 15> -> !token.stream<1x2 in 0 to 1> {
// WHOLE:      token.actor "fc1" columns 0 to 4 of 4
// WHOLE-NOT:  "fc1"

// A layer that reads all columns reads one stream for each tile; `from` says which column is its first.
%b = token.actor "fc2" columns 0 to 2 of 2 reads %a : !token.stream<1x4 in 0 to 1> -> !token.stream<1x2 in 0 to 0> {
^bb0(%1: !token.stream<1x4 in 0 to 1>):
  token.accumulate %1 weight @small map <1x1 to 1x1 window <kernel [1, 1]>> groups 1 : !token.stream<1x4 in 0 to 1>
  token.hold bits 9
}
// CHECK:      [[RESULT:%\w+]] = token.actor "fc2" columns 0 to 2 of 2 reads [[LOW]], [[HIGH]] :
// CHECK-NEXT: ^bb0([[L:%\d+]]: !token.stream<1x2 in 0 to 1>, [[H:%\d+]]: !token.stream<1x2 in 0 to 1>):
// CHECK-NEXT:   token.accumulate [[L]] weight @small
// CHECK-NEXT:   token.accumulate [[H]] from 2 weight @small

// Membranes and thresholds split this one: (10 + 2 * 10 + 1) * 4 bits are 16 bytes, a PE has 14. A tile that adds column to column reads the streams that hold
// its own columns, and no others.
%c = token.actor "skip" columns 0 to 4 of 4 reads %a : !token.stream<1x4 in 0 to 1> -> !token.stream<1x4 in 0 to 1> {
^bb0(%2: !token.stream<1x4 in 0 to 1>):
  token.add %2 by @ones map <1x1 to 1x1 window <kernel [1, 1]>> : !token.stream<1x4 in 0 to 1>
  token.fire stairs @stairs alphabet ternary bits 10
}
// CHECK:      [[SKIP_LOW:%\w+]] = token.actor "skip" columns 0 to 2 of 4 reads [[LOW]] :
// CHECK:        token.add {{%\d+}} by @ones
// CHECK:      [[SKIP_HIGH:%\w+]] = token.actor "skip" columns 2 to 4 of 4 reads [[HIGH]] :
// CHECK:        token.add {{%\d+}} from 2 by @ones

// An index map may move any column to any other, so it reads all tiles.
%d = token.actor "swap" columns 0 to 4 of 4 reads %a : !token.stream<1x4 in 0 to 1> -> !token.stream<1x4 in 0 to 1> {
^bb0(%3: !token.stream<1x4 in 0 to 1>):
  token.scatter %3 of 4 at @swap : !token.stream<1x4 in 0 to 1>
  token.flow alphabet ternary bits 2
}
// CHECK:      [[SWAP:%\w+]] = token.actor "swap" columns 0 to 4 of 4 reads [[LOW]], [[HIGH]] :
// CHECK:        token.scatter {{%\d+}} of 4 at @swap
// CHECK-NEXT:   token.scatter {{%\d+}} from 2 of 4 at @swap

// What the host reads, it reads from all tiles.
token.probe "c" %c shape [4] zero 0 as "UINT4" : !token.stream<1x4 in 0 to 1>
token.probe "d" %d shape [4] zero 0 as "UINT4" : !token.stream<1x4 in 0 to 1>
token.readout "b" %b shape [2] factor @one offset @one : !token.stream<1x2 in 0 to 0>
// CHECK:      token.probe "c" [[SKIP_LOW]], [[SKIP_HIGH]] shape [4]
// CHECK-NEXT: token.probe "d" [[SWAP]] shape [4]
// CHECK-NEXT: token.readout "b" [[RESULT]] shape [2]
