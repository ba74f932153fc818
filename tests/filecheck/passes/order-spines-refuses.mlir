// RUN: not %elsac-opt %s -p 'order-spines{schedule="spiral"}' 2>&1 | filecheck %s
// RUN: not %elsac-opt %s -p 'order-spines{schedule="raster-padded"}' 2>&1 | filecheck %s --check-prefix RULE

// A schedule that nobody knows is refused with those that there are.
%x = token.source "x" shape [1, 4, 4] scale "1" zero 0 as "UINT4" coding bitplane : !token.stream<16x1 in 0 to 15>

// CHECK: elsac-opt: order-spines: schedule 'spiral' is not one of raster, columns, shells, shells-padded, bands, serpentine

// The rule of the padding goes with shells alone.
// RULE: elsac-opt: order-spines: schedule 'raster-padded' is not one of
