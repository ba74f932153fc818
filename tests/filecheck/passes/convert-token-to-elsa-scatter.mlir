// RUN: %elsac-opt %s --split-input-file -p convert-token-to-elsa | filecheck %s

// An index map of 3 columns over a stream of one spine with 4 columns, of which only 2 and 3 come from this
// tile: column 0 follows place 3, column 2 follows place 2, column 1 follows place 0 of the other tile. The
// hardware looks up where a spike goes: `starts` are the ranges of `targets` (row, column) for each place.

net.blob @places : tensor<1x3xi32> ints [3, 0, 2]
%x = token.source "x" shape [2] scale "1" zero 0 as "UINT4" coding bitplane core 0 place [0, 0] routes [] : !token.stream<1x2 in 0 to 3>
%a = token.actor "slice1" columns 0 to 3 of 3 reads %x core 0 place [0, 0] routes [] : !token.stream<1x2 in 0 to 3> -> !token.stream<1x3 in 0 to 3> {
^bb0(%0: !token.stream<1x2 in 0 to 3>):
  token.scatter %0 from 2 of 4 at @places : !token.stream<1x2 in 0 to 3>
  token.flow alphabet ternary bits 3
}

// CHECK-LABEL: builtin.module
// CHECK-DAG:   net.blob @places_starts : tensor<5xi32> ints [0, 0, 0, 1, 2]
// CHECK-DAG:   net.blob @places_targets : tensor<2x2xi32> ints [0, 2, 0, 0]
// CHECK-DAG:   elsa.map [[MAP:@\w+]] @places_starts targets @places_targets spines 1 channels 4
// CHECK:       elsa.port @t0 base 2 spines 0 to 1 of 1 spikes {
// CHECK-NEXT:    elsa.scat [[MAP]]
// CHECK-NEXT:    elsa.end
// CHECK-NEXT:  } end {
// CHECK-NEXT:    elsa.scount [[MAP]]
// CHECK-NEXT:    elsa.end
// CHECK-NEXT:  }
// CHECK-NEXT: } row {
// CHECK-NEXT:   elsa.flow
// CHECK-NEXT:   elsa.send
// CHECK-NEXT:   elsa.end

// -----

// A row waits once for each spine that it follows, however many of its columns do; one that follows nothing
// waits for none. First row: spines 0 and 1; second: spine 1 twice; third: padding.

net.blob @places : tensor<3x2xi32> ints [0, 1, 1, 1, -1, -1]
%x = token.source "x" shape [2, 1] scale "1" zero 0 as "UINT4" coding bitplane core 0 place [0, 0] routes [] : !token.stream<2x1 in 0 to 3>
%a = token.actor "pad1" columns 0 to 2 of 2 reads %x core 0 place [0, 0] routes [] : !token.stream<2x1 in 0 to 3> -> !token.stream<3x2 in 0 to 3> {
^bb0(%0: !token.stream<2x1 in 0 to 3>):
  token.scatter %0 of 1 at @places : !token.stream<2x1 in 0 to 3>
  token.flow alphabet ternary bits 3
}

// CHECK-LABEL: builtin.module
// CHECK-DAG:   net.blob @places_starts : tensor<3xi32> ints [0, 1, 4]
// CHECK-DAG:   net.blob @places_targets : tensor<4x2xi32> ints [0, 0, 0, 1, 1, 0, 1, 1]
// CHECK-DAG:   net.blob @{{depends\w*}} : tensor<3xi32> ints [2, 1, 0]

// -----

// The second tile of a grouped layer: groups 1 and 2 of 3, with 2 outputs each. Its segment begins at input 1
// and holds, for each input, the weights of its group's outputs.

net.blob @w : tensor<6x1x1x1xi8> ints [1, 2, 3, 4, 5, 6]
net.blob @stairs : tensor<1x2x6xi64> ints [1, 1, 1, 1, 1, 1, 2, 2, 2, 2, 2, 2]
net.blob @border : tensor<1xi32> ints [1]
%x = token.source "x" shape [3, 1, 1] scale "1" zero 0 as "UINT4" coding bitplane core 0 place [0, 0] routes [] : !token.stream<1x3 in 0 to 15>
%a = token.actor "grouped" columns 2 to 6 of 6 reads %x core 0 place [0, 0] routes [] : !token.stream<1x3 in 0 to 15> -> !token.stream<1x4 in 0 to 1> {
^bb0(%0: !token.stream<1x3 in 0 to 15>):
  token.accumulate %0 weight @w map <1x1 to 1x1 window <kernel [1, 1]>> groups 3 : !token.stream<1x3 in 0 to 15>
  token.fire stairs @stairs classes @border alphabet ternary bits 9
}

// CHECK-LABEL: builtin.module
// CHECK-DAG:   net.blob @w_rows : tensor<1x2x2xi8> ints [3, 4, 5, 6]
// CHECK-DAG:   elsa.weights @weights0 @w_rows from 1 group 1 bits 4
// Thresholds are cut to the tile as well, for all classes of rows: [classes, columns, levels].
// CHECK-DAG:   net.blob @stairs_part : tensor<2x4x1xi64> ints [1, 1, 1, 1, 2, 2, 2, 2]
// CHECK-DAG:   elsa.stairs @stairs0 @stairs_part above 0 classes @border
