// RUN: %elsac-opt %s -p 'convert-qann-to-spiking{alphabet=ternary coding=bitplane}' | filecheck %s --check-prefixes CHECK,TERNARY
// RUN: %elsac-opt %s -p 'convert-qann-to-spiking{alphabet=nearest coding=spikes}' | filecheck %s --check-prefixes CHECK,NEAREST
// RUN: %elsac-opt %s -p 'convert-qann-to-spiking{alphabet=floor coding=analog}' | filecheck %s --check-prefixes CHECK,FLOOR
// RUN: not %elsac-opt %s -p 'convert-qann-to-spiking{alphabet=morse}' 2>&1 | filecheck %s --check-prefix REFUSED

// Every op that sends spikes says in which alphabet; inputs say how integers enter. The thresholds do not
// depend on either.

net.blob @factor : tensor<1x!net.rational> rationals ["1/4"]
net.blob @zero : tensor<1x!net.rational> rationals ["0"]
net.blob @flat : tensor<2xi64> ints [1, 0]
net.blob @v : tensor<2x2xi8> ints [1, 2, 3, 4]

%x = qann.input "x" zero 0 as "UINT4" : !qann.tensor<2x3x3 in 0 to 15 by "1/2">
// TERNARY: %x = spiking.input "x" scale "1/2" zero 0 as "UINT4" coding bitplane : !spiking.train<2x3x3 in 0 to 15>
// NEAREST: %x = spiking.input "x" scale "1/2" zero 0 as "UINT4" coding spikes :
// FLOOR:   %x = spiking.input "x" scale "1/2" zero 0 as "UINT4" coding analog :

// An average is a sum whose divisor is in the thresholds.
%sum = qann.sum_pool %x window <kernel [2, 2]> : !qann.tensor<2x3x3 in 0 to 15 by "1/2"> -> !qann.real<2x2x2>
%mean = qann.affine %sum by [@factor] plus @zero : !qann.real<2x2x2> -> !qann.real<2x2x2>
%a = qann.quantize %mean : !qann.real<2x2x2> -> !qann.tensor<2x2x2 in 0 to 3 by "1">
// CHECK:   %sum = spiking.sum_pool %x by @sum_constants window <kernel [2, 2]>
// TERNARY: %a = spiking.neuron %sum stairs @a_stairs : !spiking.current<2x2x2> -> !spiking.train<2x2x2 in 0 to 3>
// NEAREST: %a = spiking.neuron %sum stairs @a_stairs alphabet nearest :
// FLOOR:   %a = spiking.neuron %sum stairs @a_stairs alphabet floor :

%max = qann.max_pool %a window <kernel [2, 2]> : !qann.tensor<2x2x2 in 0 to 3 by "1"> -> !qann.tensor<2x1x1 in 0 to 3 by "1">
// TERNARY: %max = spiking.max_pool %a window <kernel [2, 2]> :
// NEAREST: %max = spiking.max_pool %a window <kernel [2, 2]> alphabet nearest :
// FLOOR:   %max = spiking.max_pool %a window <kernel [2, 2]> alphabet floor :

%row = qann.index %max at @flat for "Flatten" : !qann.tensor<2x1x1 in 0 to 3 by "1"> -> !qann.tensor<2 in 0 to 3 by "1">
%both = qann.concat %row, %row axis 0 : !qann.tensor<2 in 0 to 3 by "1">, !qann.tensor<2 in 0 to 3 by "1"> -> !qann.tensor<4 in 0 to 3 by "1">
qann.output "both" %both zero 0 as "UINT4" : !qann.tensor<4 in 0 to 3 by "1">
// TERNARY: %row = spiking.index %max at @flat for "Flatten" : !spiking.train<2x1x1 in 0 to 3> -> !spiking.train<2 in 0 to 3>
// NEAREST: %row = spiking.index %max at @flat for "Flatten" alphabet nearest :
// NEAREST: %both = spiking.concat %row, %row axis 0 alphabet nearest :
// CHECK:   spiking.readout "both" %both zero 0 as "UINT4" by "{{.*}}" : !spiking.train<4 in 0 to 3>

// A real result is a charge; the host scales it.
%product = qann.matmul %row weight @v : !qann.tensor<2 in 0 to 3 by "1"> -> !qann.real<2>
%logits = qann.affine %product by [@factor] plus @zero : !qann.real<2> -> !qann.real<2>
qann.output "logits" %logits : !qann.real<2>
// CHECK: %product = spiking.dense %row weight @product_weight
// CHECK: spiking.readout "logits" %product factor @logits_factor offset @zero : !spiking.current<2>

// REFUSED: convert-qann-to-spiking: alphabet is one of ternary, floor, nearest, coding one of bitplane, spikes, analog
