// RUN: %elsac-opt %s -p 'estimate-load,bundle-packets,place-cores{method=snake}' --elsa-target %S/Inputs/square.toml | filecheck %s
// RUN: %elsac-opt %s -p 'estimate-load,bundle-packets,place-cores{effort=2}' --elsa-target %S/Inputs/square.toml | filecheck %s --check-prefix BEST
// RUN: %elsac-opt %s -p 'estimate-load,bundle-packets,place-cores{method=random seed=2}' --elsa-target %S/Inputs/square.toml | filecheck %s --check-prefix RANDOM
// RUN: not %elsac-opt %s -p 'place-cores{method=spiral}' --elsa-target %S/Inputs/square.toml 2>&1 | filecheck %s --check-prefix METHOD
// RUN: not %elsac-opt %s -p bundle-packets,place-cores --elsa-target %S/Inputs/pair.toml 2>&1 | filecheck %s --check-prefix SMALL
// RUN: not %elsac-opt %s -p place-cores --elsa-target %S/Inputs/square.toml 2>&1 | filecheck %s --check-prefix PACKETS

// Three layers in a chain, each on a core of its own. Cores may follow each other along a snake (right in even
// rows, left in odd ones), or be placed where flits pass the fewest links; here a chain of neighbours has no
// better. The claim says what it costs and what no placement can be below. No answer depends on places.

net.blob @same : tensor<1x1xi32> ints [0]
%x = token.source "x" shape [1] scale "1" zero 0 as "UINT4" coding bitplane core 0 : !token.stream<1x1 in 0 to 3>
// CHECK:  token.source "x" {{.*}} rates [{{.*}}] core 0 place [0, 0] :

%a = token.actor "a" columns 0 to 1 of 1 reads %x core 0 : !token.stream<1x1 in 0 to 3> -> !token.stream<1x1 in 0 to 3> {
^bb0(%0: !token.stream<1x1 in 0 to 3>):
  token.scatter %0 of 1 at @same : !token.stream<1x1 in 0 to 3>
  token.flow alphabet ternary bits 3
}
// CHECK:  token.actor "a" {{.*}} rates [{{.*}}] core 0 place [0, 0] :
// RANDOM: token.actor "a" {{.*}} place [{{[01], [01]}}] :

%b = token.actor "b" columns 0 to 1 of 1 reads %a core 1 : !token.stream<1x1 in 0 to 3> -> !token.stream<1x1 in 0 to 3> {
^bb0(%1: !token.stream<1x1 in 0 to 3>):
  token.scatter %1 of 1 at @same : !token.stream<1x1 in 0 to 3>
  token.flow alphabet ternary bits 3
}
// CHECK:  token.actor "b" {{.*}} rates [{{.*}}] core 1 place [1, 0] :
// RANDOM: token.actor "b" {{.*}} place [{{[01], [01]}}] :

%c = token.actor "c" columns 0 to 1 of 1 reads %b core 2 : !token.stream<1x1 in 0 to 3> -> !token.stream<1x1 in 0 to 3> {
^bb0(%2: !token.stream<1x1 in 0 to 3>):
  token.scatter %2 of 1 at @same : !token.stream<1x1 in 0 to 3>
  token.flow alphabet ternary bits 3
}
// The second row starts at its right end.
// CHECK:  token.actor "c" {{.*}} rates [{{.*}}] core 2 place [1, 1] :
// RANDOM: token.actor "c" {{.*}} place [{{[01], [01]}}] :

// BEST:   token.claim "placement" {flit_hops = [[COST:\d+]] : i64, bound = [[COST]] : i64, method = "anneal", seed = 0 : i64}
// METHOD: elsac-opt: place-cores: method 'spiral' is not one of anneal, hilbert-swap, hilbert, snake, random
// SMALL:  elsac-opt: place-cores: 3 cores are assigned, target 'pair' has 2; run the pass 'assign-cores' or 'partition' for this target
// PACKETS: elsac-opt: the module has no packet format: run the pass 'bundle-packets' before
