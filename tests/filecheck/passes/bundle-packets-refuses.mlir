// RUN: not %elsac-opt %s -p 'bundle-packets{kind="morse"}' 2>&1 | filecheck %s --check-prefix KIND
// RUN: not %elsac-opt %s -p 'bundle-packets{flit=40}' 2>&1 | filecheck %s --check-prefix NARROW
// RUN: not %elsac-opt %s -p 'bundle-packets{kind="bundle" flit=100}' 2>&1 | filecheck %s --check-prefix BYTES
// RUN: not %elsac-opt %s -p 'bundle-packets{rice=true}' 2>&1 | filecheck %s --check-prefix RICE

%x = token.source "x" shape [16, 8, 8] scale "1" zero 0 as "UINT4" coding bitplane : !token.stream<64x16 in 0 to 15>

// KIND:   packets of kind 'morse'; expected one of baer, bundle, aer-truenorth, aer-morphic
// NARROW: target 'elsa-6x6': a flit of 40 bits has no room for a spike of 13 bits beside a header of 35; use wider flits
// BYTES:  target 'elsa-6x6': bundle: flit_bits = 100, no multiple of 8
// RICE:   packets of kind 'baer' have no Rice codes; use kind="bundle"
