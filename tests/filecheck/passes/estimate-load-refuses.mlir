// A profile that is none is refused; to go on with generic rates would hide the mistake.

// RUN: not %elsac-opt %s -p 'estimate-load{profile="%S/Inputs/missing.json"}' 2>&1 | filecheck %s --check-prefix MISSING
// MISSING: elsac-opt: {{.*}}missing.json: cannot be read: No such file or directory

// This file is not JSON:
// RUN: not %elsac-opt %s -p 'estimate-load{profile="%s"}' 2>&1 | filecheck %s --check-prefix TEXT
// TEXT: elsac-opt: {{.*}}estimate-load-refuses.mlir: not a profile (Expecting value: line 1 column 1 (char 0)); expected the JSON report of elsac run

// RUN: echo '{"totals": []}' > %t.json
// RUN: not %elsac-opt %s -p 'estimate-load{profile="%t.json"}' 2>&1 | filecheck %s --check-prefix OTHER
// OTHER: elsac-opt: {{.*}}.json: no 'layers' in it; expected the JSON report of elsac run

// RUN: echo '{"layers": []}' > %t.json
// RUN: not %elsac-opt %s -p 'estimate-load{profile="%t.json"}' 2>&1 | filecheck %s --check-prefix EMPTY
// EMPTY: elsac-opt: {{.*}}.json: none of its 0 layers is a layer of this network

// RUN: echo '{"layers": [{"name": "conv1", "neurons": 4, "spikes_per_step": [1]}, {"name": "conv2", "neurons": 4, "spikes_per_step": [1]}]}' > %t.json
// RUN: not %elsac-opt %s -p 'estimate-load{profile="%t.json"}' 2>&1 | filecheck %s --check-prefix ANOTHER
// ANOTHER: elsac-opt: {{.*}}.json: none of its 2 layers is a layer of this network, which has fc1, x, ...; write a profile of this network with elsac run --json

// A neuron spikes once in a step at most, so four neurons cannot have five spikes.
// RUN: echo '{"layers": [{"name": "fc1", "neurons": 4, "spikes_per_step": [4, 5]}]}' > %t.json
// RUN: not %elsac-opt %s -p 'estimate-load{profile="%t.json"}' 2>&1 | filecheck %s --check-prefix MANY
// MANY: elsac-opt: {{.*}}.json: not a profile (layer 'fc1' has more spikes in a step than neurons); expected the JSON report of elsac run

net.blob @w : tensor<4x2x1x1xi8> ints [1, 2, 3, 4, 5, 6, 7, 8]
net.blob @stairs : tensor<1x1x4xi64> ints [1, 2, 3, 4]
%x = token.source "x" shape [2] scale "1" zero 0 as "UINT4" coding bitplane : !token.stream<1x2 in 0 to 7>
%a = token.actor "fc1" columns 0 to 4 of 4 reads %x : !token.stream<1x2 in 0 to 7> -> !token.stream<1x4 in 0 to 1> {
^bb0(%0: !token.stream<1x2 in 0 to 7>):
  token.accumulate %0 weight @w map <1x1 to 1x1 window <kernel [1, 1]>> groups 1 : !token.stream<1x2 in 0 to 7>
  token.fire stairs @stairs alphabet ternary bits 9
}
