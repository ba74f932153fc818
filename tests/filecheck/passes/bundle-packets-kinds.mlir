// RUN: %elsac-opt %s -p 'bundle-packets{kind="bundle"}' | filecheck %s
// RUN: %elsac-opt %s -p 'bundle-packets{kind="bundle" flit=192 rice=true}' | filecheck %s --check-prefix RICE
// RUN: %elsac-opt %s -p 'bundle-packets{flit=128}' | filecheck %s --check-prefix FLIT
// RUN: %elsac-opt %s -p 'bundle-packets{kind="aer-truenorth"}' | filecheck %s --check-prefix NORTH
// RUN: %elsac-opt %s -p 'bundle-packets{kind="aer-morphic"}' | filecheck %s --check-prefix MORPHIC
// RUN: %elsac-opt %s -p 'bundle-packets{kind="aer-morphic" flit=64}' | filecheck %s --check-prefix WIDE

// A bundle of 256 bits has 218 for the spikes of its first flit: 43 of a position of 4 bits and a sign.
// Address events are one in a packet, which is as wide as its fields: 62 and 46 bits, in bytes.

%x = token.source "x" shape [16, 8, 8] scale "1" zero 0 as "UINT4" coding bitplane : !token.stream<64x16 in 0 to 15>
token.probe "x" %x shape [16, 8, 8] zero 0 as "UINT4" : !token.stream<64x16 in 0 to 15>

// CHECK:   token.packet_format "bundle" flit 256 fields {destination = 6 : i64, type = 2 : i64, mode = 2 : i64, spine = 12 : i64, position = 4 : i64, sign = 1 : i64, check = 15 : i64, exponent = 0 : i64, rice = 0 : i64} capacity 43
// RICE:    token.packet_format "bundle" flit 192 {{.*}} rice = 1 : i64} capacity 30
// FLIT:    token.packet_format "baer" flit 128 {{.*}} capacity 7
// NORTH:   token.packet_format "aer-truenorth" flit 64 fields {spine = 12 : i64, position = 12 : i64, sign = 1 : i64, exponent = 0 : i64, check = 15 : i64, dx = 9 : i64, dy = 9 : i64, slot = 4 : i64} capacity 1
// MORPHIC: token.packet_format "aer-morphic" flit 48 {{.*}} chip = 4 : i64, core = 2 : i64} capacity 1
// WIDE:    token.packet_format "aer-morphic" flit 64
