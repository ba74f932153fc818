// RUN: %elsac-opt %s -p 'order-spines,convert-token-to-elsa' | filecheck %s --check-prefix RASTER
// RUN: %elsac-opt %s -p 'order-spines{schedule="shells"},convert-token-to-elsa' | filecheck %s --check-prefix SHELLS
// RUN: %elsac-opt %s -p 'order-spines{schedule="shells-padded"},convert-token-to-elsa' | filecheck %s --check-prefix PADDED
// RUN: %elsac-opt %s -p 'order-spines{schedule="bands"},convert-token-to-elsa' | filecheck %s --check-prefix BANDS
// RUN: %elsac-opt %s -p 'order-spines{schedule="serpentine"},convert-token-to-elsa' | filecheck %s --check-prefix SERPENTINE

// What a schedule becomes in the program: the numbers of the spines of an input, y * width + x, in the order in
// which they enter. This map has 5 lines of 2 spines:
//
//     0 1
//     2 3
//     4 5
//     6 7
//     8 9
//
// A thread of raster order needs no table. Shell m is line m up to the corner (m, m), then column m upwards; lines
// below the last corner are shells alone. Bands are four lines, each walked column by column; a serpentine walks
// every other column upwards.
//
// RASTER-NOT:  _order
// SHELLS:      net.blob @shells_order : tensor<10xi32> ints [0, 2, 3, 1, 4, 5, 6, 7, 8, 9]
// PADDED:      net.blob @shells_order : tensor<10xi32> ints [0, 2, 3, 1, 4, 5, 6, 7, 8, 9]
// BANDS:       net.blob @bands_order : tensor<10xi32> ints [0, 2, 4, 6, 1, 3, 5, 7, 8, 9]
// SERPENTINE:  net.blob @serpentine_order : tensor<10xi32> ints [0, 2, 4, 6, 7, 5, 3, 1, 8, 9]

net.blob @w : tensor<1x1x2x2xi8> ints [1, 2, 3, 4]
net.blob @stairs : tensor<1x1x1xi64> ints [1]
token.packet_format "baer" flit 256 fields {destination = 6 : i64, type = 2 : i64, spine = 12 : i64, position = 12 : i64, sign = 1 : i64, check = 15 : i64, exponent = 0 : i64} capacity 17
%x = token.source "x" shape [1, 5, 2] scale "1" zero 0 as "UINT4" coding bitplane core 0 place [0, 0] routes [#token.route<(0, 0)>] memory {} : !token.stream<10x1 in 0 to 15>

// A window of 2x2, padded below and to the right, has four inputs amid the map, two at the bottom or right and one
// in the corner. Rows count them down, in whatever order they come.
%a = token.actor "conv1" columns 0 to 1 of 1 reads %x core 0 place [0, 0] routes [] memory {} : !token.stream<10x1 in 0 to 15> -> !token.stream<10x1 in 0 to 1> {
^bb0(%0: !token.stream<10x1 in 0 to 15>):
  token.accumulate %0 weight @w map <5x2 to 5x2 window <kernel [2, 2], pads [0, 0, 1, 1]>> groups 1 : !token.stream<10x1 in 0 to 15>
  token.fire stairs @stairs alphabet ternary bits 9
}
// RASTER:     net.blob [[COUNTS:@\w+]] : tensor<10xi32> ints [4, 2, 4, 2, 4, 2, 4, 2, 2, 1]
// SHELLS:     net.blob [[COUNTS:@\w+]] : tensor<10xi32> ints [4, 2, 4, 2, 4, 2, 4, 2, 2, 1]
// BANDS:      net.blob [[COUNTS:@\w+]] : tensor<10xi32> ints [4, 2, 4, 2, 4, 2, 4, 2, 2, 1]
// SERPENTINE: net.blob [[COUNTS:@\w+]] : tensor<10xi32> ints [4, 2, 4, 2, 4, 2, 4, 2, 2, 1]

// By the rule of the padding, the rows at the bottom and right (1, 3, 5, 7, 8, 9) have one more to wait for: the end
// of spine 9, which enters last, counts all of them down.
// PADDED: net.blob [[STARTS:@\w+]] : tensor<11xi32> ints [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 6]
// PADDED: net.blob [[ROWS:@\w+]] : tensor<6x2xi32> ints [1, 0, 3, 0, 5, 0, 7, 0, 8, 0, 9, 0]
// PADDED: net.blob [[COUNTS:@\w+]] : tensor<10xi32> ints [4, 3, 4, 3, 4, 3, 4, 3, 3, 2]
// PADDED: elsa.map [[WAITING:@\w+]] [[STARTS]] targets [[ROWS]] spines 10 channels 1

// RASTER:     elsa.thread @t0 of "x" {{.*}} depends @depends input 0
// RASTER:     elsa.thread @t1 of "conv1" {{.*}} depends [[COUNTS]] pes [4, 10] routes
// SHELLS:     elsa.thread @t0 of "x" {{.*}} in @shells_order input 0
// SHELLS:     elsa.thread @t1 of "conv1" {{.*}} depends [[COUNTS]] pes [4, 10] routes
// BANDS:      elsa.thread @t0 of "x" {{.*}} in @bands_order input 0
// BANDS:      elsa.thread @t1 of "conv1" {{.*}} depends [[COUNTS]] pes [4, 10] routes
// SERPENTINE: elsa.thread @t0 of "x" {{.*}} in @serpentine_order input 0
// SERPENTINE: elsa.thread @t1 of "conv1" {{.*}} depends [[COUNTS]] pes [4, 10] routes
// PADDED:     elsa.thread @t0 of "x" {{.*}} in @shells_order input 0
// PADDED:     elsa.thread @t1 of "conv1" {{.*}} depends [[COUNTS]] pes [4, 10] routes
// PADDED:     elsa.count
// PADDED:     elsa.scount [[WAITING]]
