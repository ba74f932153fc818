// RUN: %elsac-opt %s -p convert-spiking-to-token | filecheck %s

// An index map that is still there becomes an actor that passes spikes on. Its blob says for each row and
// column which place of the input, spine * channels + column, it follows (-1: none).

net.blob @transpose : tensor<4xi64> ints [0, 2, 1, 3]
net.blob @pad : tensor<3xi64> ints [-1, 1, 0]

// CHECK-DAG: net.blob @transpose1_places : tensor<2x2xi32> ints [0, 2, 1, 3]
// CHECK-DAG: net.blob @pad1_places : tensor<1x3xi32> ints [-1, 1, 0]
// CHECK-DAG: net.blob @concat1_places : tensor<2x3xi32> ints [0, 1, -1, 2, 3, -1]
// CHECK-DAG: net.blob @concat1_places_1 : tensor<2x3xi32> ints [-1, -1, 0, -1, -1, 1]

// Two rows of two, turned around: column 1 of the first row follows place 2, row 1 and column 0.
%x = spiking.input "x" scale "1" zero 0 as "INT4" coding bitplane : !spiking.train<2x2 in -8 to 7>
%turned = spiking.index %x at @transpose for "Transpose" alphabet floor : !spiking.train<2x2 in -8 to 7> -> !spiking.train<2x2 in -8 to 7> loc("transpose1")
spiking.probe "turned" %turned zero 0 as "INT4" : !spiking.train<2x2 in -8 to 7>
// CHECK:      %turned = token.actor "transpose1" columns 0 to 2 of 2 reads %x :
// CHECK-NEXT: ^bb0([[X:%\d+]]: !token.stream<2x2 in -8 to 7>):
// CHECK-NEXT:   token.scatter [[X]] of 2 at @transpose1_places :
// What waits in it is the distance of two tracers, at most 15: 5 bits with the sign.
// CHECK-NEXT:   token.flow alphabet floor bits 5
// CHECK-NEXT: }

// The same spines under another shape are no work at all: (2,1,2) has two places with two channels. Its
// flat elements are channels first, so that map is the transposition again.
%same = spiking.index %turned at @transpose for "Transpose, Reshape" : !spiking.train<2x2 in -8 to 7> -> !spiking.train<2x1x2 in -8 to 7>
spiking.probe "same" %same zero 0 as "INT4" : !spiking.train<2x1x2 in -8 to 7>
// CHECK-NEXT: token.probe "turned" %turned
// CHECK-NEXT: token.probe "same" %turned shape [2, 1, 2]

// A place that follows nothing is silent.
%y = spiking.input "y" scale "1" zero 0 as "INT4" coding bitplane : !spiking.train<2 in -8 to 7>
%padded = spiking.index %y at @pad for "Pad" : !spiking.train<2 in -8 to 7> -> !spiking.train<3 in -8 to 7> loc("pad1")
spiking.probe "padded" %padded zero 0 as "INT4" : !spiking.train<3 in -8 to 7>
// CHECK:      %padded = token.actor "pad1" columns 0 to 3 of 3 reads %y :
// CHECK:        token.scatter {{%\d+}} of 2 at @pad1_places :

// A concatenation scatters several streams into one. Its columns are those of both.
%z = spiking.input "z" scale "1" zero 0 as "INT4" coding bitplane : !spiking.train<2x1 in -8 to 7>
%both = spiking.concat %x, %z axis 1 : !spiking.train<2x2 in -8 to 7>, !spiking.train<2x1 in -8 to 7> -> !spiking.train<2x3 in -8 to 7> loc("concat1")
spiking.probe "both" %both zero 0 as "INT4" : !spiking.train<2x3 in -8 to 7>
// CHECK:      %both = token.actor "concat1" columns 0 to 3 of 3 reads %x, %z :
// CHECK-NEXT: ^bb0([[LEFT:%\d+]]: !token.stream<2x2 in -8 to 7>, [[RIGHT:%\d+]]: !token.stream<2x1 in -8 to 7>):
// CHECK-NEXT:   token.scatter [[LEFT]] of 2 at @concat1_places :
// CHECK-NEXT:   token.scatter [[RIGHT]] of 1 at @concat1_places_1 :
// CHECK-NEXT:   token.flow alphabet ternary bits 5
