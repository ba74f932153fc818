// RUN: %elsac-opt %s -p convert-spiking-to-token | filecheck %s

// Attention of 4 tokens with 2 heads of 3 numbers, of which the first token is a class token.

net.blob @token : tensor<3x1x6xi64> ints [0, 1, 0, 1, 0, 1, 0, 1, 1, 1, 0, 1, 1, 1, 1, 1, 1, 1]
net.blob @stairs : tensor<3x1x1xi64> ints [1, 2, 3]
net.blob @exps : tensor<3xi64> ints [16, 6, 2]
net.blob @thresholds : tensor<6x3xi64> ints [-4, 0, 4, -4, 0, 4, -4, 0, 4, -4, 0, 4, 1, 1, 1, -4, 0, 4]
net.blob @signs : tensor<6xi32> ints [1, 1, -1, 1, 0, 1]
net.blob @ones : tensor<6xi8> ints [1, 1, 1, 1, 1, 1]
net.blob @points : tensor<2x4x1xi64> ints [1, 5, 5, 5, 2, 6, 6, 6]
net.blob @levels : tensor<3xi32> ints [0, 1, 3]
net.blob @one : tensor<1x!net.rational> rationals ["1"]
net.blob @same : tensor<24xi64> ints [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23]

%x = spiking.input "x" scale "1" zero 0 as "UINT4" coding bitplane : !spiking.train<3x6 in 0 to 3>

// Neurons on silence are an actor that reads nothing. Put before the tokens, they flow into one stream.
%none = spiking.silence : !spiking.current<1x6>
%class = spiking.neuron %none stairs @token charge 0 to 0 bits 1 : !spiking.current<1x6> -> !spiking.train<1x6 in 0 to 3> loc("class")
%all = spiking.concat %class, %x axis 0 : !spiking.train<1x6 in 0 to 3>, !spiking.train<3x6 in 0 to 3> -> !spiking.train<4x6 in 0 to 3> loc("tokens")
// CHECK:      %class = token.actor "class" columns 0 to 6 of 6 reads : -> !token.stream<1x6 in 0 to 3> {
// CHECK-NEXT:   token.fire stairs @token{{.*}} alphabet ternary bits 1
// CHECK-NEXT: }
// CHECK:      %all = token.actor "tokens" columns 0 to 6 of 6 reads %class, %x :
// CHECK:        token.flow

// A norm is named after its own node: the relay before it has none.
%sum = spiking.relay %all by @ones : !spiking.train<4x6 in 0 to 3> -> !spiking.current<4x6>
%norm = spiking.norm %sum thresholds @thresholds signs @signs fraction 24 epsilon 5 bits 20 charge 0 to 3 width 3 : !spiking.current<4x6> -> !spiking.train<4x6 in 0 to 3> loc("norm1")
// CHECK:      %norm = token.actor "norm1" columns 0 to 6 of 6 reads %all : !token.stream<4x6 in 0 to 3> -> !token.stream<4x6 in 0 to 3> {
// CHECK-NEXT: ^bb0([[X:%\d+]]: !token.stream<4x6 in 0 to 3>):
// CHECK-NEXT:   token.add [[X]] by @ones map <4x1 to 4x1 window <kernel [1, 1]>> : !token.stream<4x6 in 0 to 3>
// CHECK-NEXT:   token.norm thresholds @thresholds signs @signs fraction 24 epsilon 5 bits 20 alphabet ternary width 3
// CHECK-NEXT: }

// The scores of all heads and their softmax are one actor with the name of the product. Here one stream is both
// factors, as queries and as keys. A renumbering that leaves all spines as they are costs nothing.
%keys = spiking.index %norm at @same for "Reshape" : !spiking.train<4x6 in 0 to 3> -> !spiking.train<4x6 in 0 to 3> loc("reshape")
%scores = spiking.product %norm by %keys as <2 x 4x3x4 left columns right columns transposed out rows> : !spiking.train<4x6 in 0 to 3>, !spiking.train<4x6 in 0 to 3> -> !spiking.current<8x4> loc("matmul1")
%p = spiking.softmax %scores exps @exps scale 1 shift 2 charge 0 to 27 bits 6 : !spiking.current<8x4> -> !spiking.train<8x4 in 0 to 3> loc("softmax1")
// CHECK-NOT:  "reshape"
// CHECK:      %p = token.actor "matmul1" columns 0 to 4 of 4 reads %norm, %norm : !token.stream<4x6 in 0 to 3>, !token.stream<4x6 in 0 to 3> -> !token.stream<8x4 in 0 to 3> {
// CHECK-NEXT: ^bb0([[Q:%\d+]]: !token.stream<4x6 in 0 to 3>, [[K:%\d+]]: !token.stream<4x6 in 0 to 3>):
// CHECK-NEXT:   token.factor [[Q]] is "left" of #net.product<2 x 4x3x4 left columns right columns transposed out rows> : !token.stream<4x6 in 0 to 3>
// CHECK-NEXT:   token.factor [[K]] is "right" of #net.product<2 x 4x3x4 left columns right columns transposed out rows> : !token.stream<4x6 in 0 to 3>
// CHECK-NEXT:   token.softmax exps @exps scale 1 shift 2 alphabet ternary bits 6
// CHECK-NEXT: }

// What they weigh, and the skip path that is added to it before the quantizer.
%mixed = spiking.product %p by %norm as <2 x 4x4x3 left rows right columns out columns> : !spiking.train<8x4 in 0 to 3>, !spiking.train<4x6 in 0 to 3> -> !spiking.current<4x6> loc("matmul2")
%both = spiking.join %mixed, %sum : !spiking.current<4x6>, !spiking.current<4x6> -> !spiking.current<4x6>
%o = spiking.neuron %both stairs @stairs charge 0 to 39 bits 7 : !spiking.current<4x6> -> !spiking.train<4x6 in 0 to 3> loc("quant2")
// CHECK:      %o = token.actor "matmul2" columns 0 to 6 of 6 reads %p, %norm, %all :
// CHECK:        token.factor {{%\d+}} is "left" of
// CHECK-NEXT:   token.factor {{%\d+}} is "right" of
// CHECK-NEXT:   token.add {{%\d+}} by @ones map <4x1 to 4x1 window <kernel [1, 1]>>
// CHECK-NEXT:   token.fire stairs @stairs_1 alphabet ternary bits 7

// The first row has breakpoints of its own, so rows have classes: 0 the first, 1 the others. Breakpoints are laid
// out like staircases, [pieces, classes, columns].
%again = spiking.relay %o by @ones : !spiking.train<4x6 in 0 to 3> -> !spiking.current<4x6>
%curve = spiking.curve %again at @points levels @levels charge 0 to 3 bits 3 : !spiking.current<4x6> -> !spiking.train<4x6 in 0 to 3> loc("gelu1")
spiking.probe "y" %curve zero 0 as "UINT4" : !spiking.train<4x6 in 0 to 3>
// CHECK:      %curve = token.actor "gelu1" columns 0 to 6 of 6 reads %o :
// CHECK:        token.curve at @points_1 levels @levels classes @points_classes alphabet ternary bits 3

// A product by itself, its charges for the host; one row multiplies all.
%gate = spiking.multiply %curve by %class as <4x6 by 1x6> : !spiking.train<4x6 in 0 to 3>, !spiking.train<1x6 in 0 to 3> -> !spiking.current<4x6> loc("mul1")

spiking.readout "z" %gate factor @one offset @one charge 0 to 9 bits 5 : !spiking.current<4x6>
// CHECK:      token.actor "mul1" columns 0 to 6 of 6 reads %curve, %class :
// CHECK:        token.factor {{%\d+}} is "right" of #net.elementwise<4x6 by 1x6> : !token.stream<1x6 in 0 to 3>
// CHECK-NEXT:   token.hold bits 5
