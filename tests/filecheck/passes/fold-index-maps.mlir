// RUN: %elsac-opt %s -p fold-index-maps | filecheck %s

// Nobody moves a spike only to number it anew. A chain of index maps becomes one map, and what reads a
// tensor for the host reads through the maps.

net.blob @swap : tensor<4xi64> ints [2, 3, 0, 1]
net.blob @pad : tensor<6xi64> ints [-1, 0, 1, 2, 3, -1]
net.blob @one : tensor<1x!net.rational> rationals ["1"]
net.blob @w : tensor<6x1xi8> ints [1, 2, 3, 4, 5, 6]
%x = spiking.input "x" scale "1" zero 0 as "UINT4" coding bitplane : !spiking.train<4 in 0 to 3>
%swapped = spiking.index %x at @swap for "Transpose" : !spiking.train<4 in 0 to 3> -> !spiking.train<2x2 in 0 to 3>
spiking.probe "swapped" %swapped zero 0 as "UINT4" : !spiking.train<2x2 in 0 to 3>
%wide = spiking.index %swapped at @pad for "Pad" alphabet floor : !spiking.train<2x2 in 0 to 3> -> !spiking.train<6 in 0 to 3>
%sum = spiking.dense %wide weight @w : !spiking.train<6 in 0 to 3> -> !spiking.current<1>
spiking.readout "sum" %sum factor @one offset @one : !spiking.current<1>
spiking.readout "wide" %wide zero 0 as "UINT4" : !spiking.train<6 in 0 to 3>

// The probe's map has the shape of the tensor that it names. Only what feeds synapses stays, as one map.
// CHECK-NOT:  @swap :
// CHECK-DAG:  net.blob @swapped : tensor<2x2xi64> ints [2, 3, 0, 1]
// CHECK-DAG:  net.blob @wide : tensor<6xi32> ints [-1, 2, 3, 0, 1, -1]
// CHECK:      %x = spiking.input
// CHECK-NEXT: spiking.probe "swapped" %x zero 0 as "UINT4" at @swapped : !spiking.train<4 in 0 to 3>
// CHECK-NEXT: %wide = spiking.index %x at @wide for "Transpose, Pad" alphabet floor : !spiking.train<4 in 0 to 3> -> !spiking.train<6 in 0 to 3>
// CHECK-NEXT: %sum = spiking.dense %wide weight @w
// CHECK-NEXT: spiking.readout "sum" %sum
// CHECK-NEXT: spiking.readout "wide" %x zero 0 as "UINT4" at @wide : !spiking.train<4 in 0 to 3>
