// RUN: %elsac-opt %s -p place-cores --elsa-target %S/Inputs/square.toml | filecheck %s
// RUN: %elsac-opt %s -p 'place-cores{method=random seed=2}' --elsa-target %S/Inputs/square.toml | filecheck %s --check-prefix RANDOM
// RUN: not %elsac-opt %s -p 'place-cores{method=spiral}' --elsa-target %S/Inputs/square.toml 2>&1 | filecheck %s --check-prefix METHOD
// RUN: not %elsac-opt %s -p place-cores --elsa-target %S/Inputs/pair.toml 2>&1 | filecheck %s --check-prefix SMALL

// Cores follow each other along a snake (right in even rows, left in odd ones), so that one layer and the
// next are neighbours on the mesh. Random places, drawn from a seed, are for tests: no answer may change.

net.blob @same : tensor<1x1xi32> ints [0]
%x = token.source "x" shape [1] scale "1" zero 0 as "UINT4" coding bitplane core 0 : !token.stream<1x1 in 0 to 3>
// CHECK:  token.source "x" {{.*}} core 0 place [0, 0] :

%a = token.actor "a" columns 0 to 1 of 1 reads %x core 0 : !token.stream<1x1 in 0 to 3> -> !token.stream<1x1 in 0 to 3> {
^bb0(%0: !token.stream<1x1 in 0 to 3>):
  token.scatter %0 of 1 at @same : !token.stream<1x1 in 0 to 3>
  token.flow alphabet ternary bits 3
}
// CHECK:  token.actor "a" {{.*}} core 0 place [0, 0] :
// RANDOM: token.actor "a" {{.*}} core 0 place [1, 0] :

%b = token.actor "b" columns 0 to 1 of 1 reads %a core 1 : !token.stream<1x1 in 0 to 3> -> !token.stream<1x1 in 0 to 3> {
^bb0(%1: !token.stream<1x1 in 0 to 3>):
  token.scatter %1 of 1 at @same : !token.stream<1x1 in 0 to 3>
  token.flow alphabet ternary bits 3
}
// CHECK:  token.actor "b" {{.*}} core 1 place [1, 0] :
// RANDOM: token.actor "b" {{.*}} core 1 place [1, 1] :

%c = token.actor "c" columns 0 to 1 of 1 reads %b core 2 : !token.stream<1x1 in 0 to 3> -> !token.stream<1x1 in 0 to 3> {
^bb0(%2: !token.stream<1x1 in 0 to 3>):
  token.scatter %2 of 1 at @same : !token.stream<1x1 in 0 to 3>
  token.flow alphabet ternary bits 3
}
// The second row starts at its right end.
// CHECK:  token.actor "c" {{.*}} core 2 place [1, 1] :
// RANDOM: token.actor "c" {{.*}} core 2 place [0, 1] :

// METHOD: elsac-opt: place-cores: method 'spiral' is not one of snake, random
// SMALL:  elsac-opt: place-cores: run the pass 'assign-cores' before
