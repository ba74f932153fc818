// RUN: not %elsac-opt %s -p convert-token-to-elsa 2>&1 | filecheck %s
// RUN: not %elsac-opt %s -p bundle-packets,route-streams 2>&1 | filecheck %s --check-prefix ROUTE
// RUN: not %elsac-opt %s -p allocate-memory 2>&1 | filecheck %s --check-prefix MEMORY

// Passes say what has to run before them.

%x = token.source "x" shape [1] scale "1" zero 0 as "UINT4" coding bitplane : !token.stream<1x1 in 0 to 3>
%a = token.actor "a" columns 0 to 1 of 1 reads %x : !token.stream<1x1 in 0 to 3> -> !token.stream<1x1 in 0 to 3> {
^bb0(%0: !token.stream<1x1 in 0 to 3>):
  token.trace %0 map <1x1 to 1x1 window <kernel [1, 1]>> : !token.stream<1x1 in 0 to 3>
  token.maximum map <1x1 to 1x1 window <kernel [1, 1]>> alphabet ternary
}

// CHECK:  elsac-opt: convert-token-to-elsa: assign, place and route before
// ROUTE:  elsac-opt: a layer has no core: run the pass 'assign-cores' or 'partition' before
// MEMORY: elsac-opt: allocate-memory: run the pass 'assign-cores' before
