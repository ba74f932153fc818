// RUN: %elsac-opt %s -p tile-sources | filecheck %s
// RUN: %elsac-opt %s -p 'order-spines{schedule="shells"},tile-sources,place-cores{method="snake"},route-streams,allocate-memory,verify-mapping,convert-token-to-elsa' | filecheck %s --check-prefix CODE
// RUN: not %elsac-opt %s -p tile-sources,tile-sources 2>&1 | filecheck %s --check-prefix TWICE

// An input enters band by band, where it is needed. A layer of 8 lines and a kernel of 3x3 is cut into lines 0 to 3,
// 3 to 6 and 6 to 8, on the cores 2, 0 and 1. They read the lines 0 to 4, 2 to 7 and 5 to 8, so the halos, lines 2
// and 3 and lines 5 and 6, are divided in the middle: 0 to 3, 3 to 6 and 6 to 8. Every tile reads of each source
// tile what it needs, if anything; a probe reads all of them.

net.blob @w : tensor<1x1x3x3xi8> ints [1, 2, 3, 4, 5, 6, 7, 8, 9]
net.blob @stairs : tensor<1x1x1xi64> ints [1]
token.packet_format "baer" flit 256 fields {destination = 6 : i64, type = 2 : i64, spine = 12 : i64, position = 12 : i64, sign = 1 : i64, check = 15 : i64, exponent = 0 : i64} capacity 17

%x = token.source "x" shape [1, 8, 2] scale "1" zero 0 as "UINT4" coding bitplane rates [0.5, 0.5, 0.5, 0.5] core 0 : !token.stream<16x1 in 0 to 15>
// CHECK:      %x = token.source "x" shape [1, 8, 2] {{.*}} coding bitplane lines 0 to 3 of 8 rates [5.000000e-01{{.*}}] core 2 : !token.stream<6x1 in 0 to 15>
// CHECK-NEXT: %x_1 = token.source "x" shape [1, 8, 2] {{.*}} coding bitplane lines 3 to 6 of 8 rates [{{.*}}] core 0 : !token.stream<6x1 in 0 to 15>
// CHECK-NEXT: %x_2 = token.source "x" shape [1, 8, 2] {{.*}} coding bitplane lines 6 to 8 of 8 rates [{{.*}}] core 1 : !token.stream<4x1 in 0 to 15>

%a = token.actor "conv" columns 0 to 1 of 1 lines 0 to 3 of 8 reads %x rates [0.5] core 2 : !token.stream<16x1 in 0 to 15> -> !token.stream<6x1 in 0 to 1> {
^bb0(%0: !token.stream<16x1 in 0 to 15>):
  token.accumulate %0 weight @w map <8x2 to 8x2 window <kernel [3, 3], pads [1, 1, 1, 1]>> groups 1 : !token.stream<16x1 in 0 to 15>
  token.fire stairs @stairs alphabet ternary bits 11
}
// CHECK:      token.actor "conv" {{.*}} lines 0 to 3 of 8 reads %x, %x_1 rates
// CHECK-NEXT: ^bb0([[A:%\d+]]: !token.stream<6x1 in 0 to 15>, [[B:%\d+]]: !token.stream<6x1 in 0 to 15>):
// CHECK-NEXT: token.accumulate [[A]] weight @w map
// CHECK-NEXT: token.accumulate [[B]] spine 6 weight @w map
%b = token.actor "conv" columns 0 to 1 of 1 lines 3 to 6 of 8 reads %x rates [0.5] core 0 : !token.stream<16x1 in 0 to 15> -> !token.stream<6x1 in 0 to 1> {
^bb0(%1: !token.stream<16x1 in 0 to 15>):
  token.accumulate %1 weight @w map <8x2 to 8x2 window <kernel [3, 3], pads [1, 1, 1, 1]>> groups 1 : !token.stream<16x1 in 0 to 15>
  token.fire stairs @stairs alphabet ternary bits 11
}
// CHECK: token.actor "conv" {{.*}} lines 3 to 6 of 8 reads %x, %x_1, %x_2 rates
%c = token.actor "conv" columns 0 to 1 of 1 lines 6 to 8 of 8 reads %x rates [0.5] core 1 : !token.stream<16x1 in 0 to 15> -> !token.stream<4x1 in 0 to 1> {
^bb0(%2: !token.stream<16x1 in 0 to 15>):
  token.accumulate %2 weight @w map <8x2 to 8x2 window <kernel [3, 3], pads [1, 1, 1, 1]>> groups 1 : !token.stream<16x1 in 0 to 15>
  token.fire stairs @stairs alphabet ternary bits 11
}
// CHECK: token.actor "conv" {{.*}} lines 6 to 8 of 8 reads %x_1, %x_2 rates
token.probe "x_q" %x shape [1, 8, 2] zero 0 as "UINT4" : !token.stream<16x1 in 0 to 15>
token.probe "a_q" %a, %b, %c shape [1, 8, 2] zero 0 as "UINT4" : !token.stream<6x1 in 0 to 1>, !token.stream<6x1 in 0 to 1>, !token.stream<4x1 in 0 to 1>
// CHECK: token.probe "x_q" %x, %x_1, %x_2 shape [1, 8, 2]

// One input, three threads of it, which send their spines in the order that these have in the whole map.
// CODE:     elsa.input "x"
// CODE-NOT: elsa.input
// CODE:     elsa.thread @t1 of "x" {{.*}} row_base = 6 : i64, {{.*}} input 0 routes
// CODE:     elsa.thread @t2 of "x" {{.*}} row_base = 12 : i64, {{.*}} input 0 routes
// CODE:     elsa.thread @t0 of "x" {{.*}} row_base = 0 : i64, {{.*}} input 0 routes

// TWICE: elsac-opt: tile-sources: the input 'x' is cut into tiles already; run the pass once
