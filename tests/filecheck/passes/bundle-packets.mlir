// RUN: %elsac-opt %s --split-input-file -p bundle-packets | filecheck %s
// RUN: %elsac-opt %s --split-input-file -p bundle-packets --elsa-target elsa-12x12 | filecheck %s --check-prefix MESH
// RUN: %elsac-opt %s --split-input-file -p bundle-packets --elsa-target elsa-6x6-shift | filecheck %s --check-prefix SHIFT

// The paper's flit of 256 bits: 6 bits of destination, 2 of type, 12 of spine, 15 of check; then 12 of
// position and 1 of sign for each spike. (256 - 35) / 13 are 17 spikes. More cores need more bits to name
// one; spikes with an exponent of 3 bits are 13 a flit.

%x = token.source "x" shape [16, 8, 8] scale "1" zero 0 as "UINT4" coding bitplane : !token.stream<64x16 in 0 to 15>
token.probe "x" %x shape [16, 8, 8] zero 0 as "UINT4" : !token.stream<64x16 in 0 to 15>

// CHECK-LABEL: builtin.module
// CHECK:       token.packet_format "baer" flit 256 fields {destination = 6 : i64, type = 2 : i64, spine = 12 : i64, position = 12 : i64, sign = 1 : i64, check = 15 : i64, exponent = 0 : i64} capacity 17
// CHECK-NEXT:  token.source
// MESH:        destination = 8 : i64, {{.*}} capacity 16
// SHIFT:       exponent = 3 : i64} capacity 13

// -----

// 12 bits cannot number the spines of a 112x112 map; the field grows to 14 and a flit holds 16. The
// charge that the last layer holds is not sent, so its 2^20 columns count nothing.

net.blob @w : tensor<1048576x3x112x112xi8> from "sha256:00"
%x = token.source "x" shape [3, 112, 112] scale "1" zero 0 as "UINT4" coding bitplane : !token.stream<12544x3 in 0 to 15>
%y = token.actor "fc" columns 0 to 1048576 of 1048576 reads %x : !token.stream<12544x3 in 0 to 15> -> !token.stream<1x1048576 in 0 to 0> {
^bb0(%0: !token.stream<12544x3 in 0 to 15>):
  token.accumulate %0 weight @w map <112x112 to 1x1 window <kernel [112, 112]>> groups 1 : !token.stream<12544x3 in 0 to 15>
  token.hold bits 20
}

// CHECK-LABEL: builtin.module
// CHECK:       token.packet_format "baer" flit 256 fields {destination = 6 : i64, type = 2 : i64, spine = 14 : i64, position = 12 : i64, sign = 1 : i64, check = 15 : i64, exponent = 0 : i64} capacity 16

// -----

// Neurons with shift spikes over 255 levels spike 1 to 128: exponents 0 to 7, which need 3 bits even where the
// target asks for none. An input sends bit-planes, whose exponent the step tells.

net.blob @stairs : tensor<255x1x1xi64> from "sha256:00"
%x = token.source "x" shape [1] scale "1" zero 0 as "UINT8" coding bitplane : !token.stream<1x1 in 0 to 255>
%y = token.actor "fc" columns 0 to 1 of 1 reads %x : !token.stream<1x1 in 0 to 255> -> !token.stream<1x1 in 0 to 255> {
^bb0(%0: !token.stream<1x1 in 0 to 255>):
  token.fire stairs @stairs alphabet nearest bits 9
}

// CHECK-LABEL: builtin.module
// CHECK:       exponent = 3 : i64} capacity 13
