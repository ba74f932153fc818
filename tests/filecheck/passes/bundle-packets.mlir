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

net.blob @w : tensor<1x1x1x1xi8> ints [1]
net.blob @stairs : tensor<255x1x1xi64> ints [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40, 41, 42, 43, 44, 45, 46, 47, 48, 49, 50, 51, 52, 53, 54, 55, 56, 57, 58, 59, 60, 61, 62, 63, 64, 65, 66, 67, 68, 69, 70, 71, 72, 73, 74, 75, 76, 77, 78, 79, 80, 81, 82, 83, 84, 85, 86, 87, 88, 89, 90, 91, 92, 93, 94, 95, 96, 97, 98, 99, 100, 101, 102, 103, 104, 105, 106, 107, 108, 109, 110, 111, 112, 113, 114, 115, 116, 117, 118, 119, 120, 121, 122, 123, 124, 125, 126, 127, 128, 129, 130, 131, 132, 133, 134, 135, 136, 137, 138, 139, 140, 141, 142, 143, 144, 145, 146, 147, 148, 149, 150, 151, 152, 153, 154, 155, 156, 157, 158, 159, 160, 161, 162, 163, 164, 165, 166, 167, 168, 169, 170, 171, 172, 173, 174, 175, 176, 177, 178, 179, 180, 181, 182, 183, 184, 185, 186, 187, 188, 189, 190, 191, 192, 193, 194, 195, 196, 197, 198, 199, 200, 201, 202, 203, 204, 205, 206, 207, 208, 209, 210, 211, 212, 213, 214, 215, 216, 217, 218, 219, 220, 221, 222, 223, 224, 225, 226, 227, 228, 229, 230, 231, 232, 233, 234, 235, 236, 237, 238, 239, 240, 241, 242, 243, 244, 245, 246, 247, 248, 249, 250, 251, 252, 253, 254, 255]
%x = token.source "x" shape [1] scale "1" zero 0 as "UINT8" coding bitplane : !token.stream<1x1 in 0 to 255>
%y = token.actor "fc" columns 0 to 1 of 1 reads %x : !token.stream<1x1 in 0 to 255> -> !token.stream<1x1 in 0 to 255> {
^bb0(%0: !token.stream<1x1 in 0 to 255>):
  token.accumulate %0 weight @w map <1x1 to 1x1 window <kernel [1, 1]>> groups 1 : !token.stream<1x1 in 0 to 255>
  token.fire stairs @stairs alphabet nearest bits 9
}

// CHECK-LABEL: builtin.module
// CHECK:       exponent = 3 : i64} capacity 13
