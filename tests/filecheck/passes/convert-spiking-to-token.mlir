// RUN: %elsac-opt %s -p convert-spiking-to-token | filecheck %s

// Every layer that somebody reads becomes an actor. What one place of a map holds for all channels is a
// spine, so a train of 4x2x2 is a stream of 4 spines with 4 columns. The actor bears the name of the
// node that has the weights.

net.blob @w : tensor<4x2x1x1xi8> ints [1, 2, 3, 4, 5, 6, 7, 8]
net.blob @stairs : tensor<2x4x1x1xi64> ints [1, 2, 3, 4, 5, 6, 7, 8]
net.blob @ones : tensor<4xi8> ints [1, 1, 1, 1]
net.blob @border : tensor<1x1x1x3xi64> ints [1, 2, 1]
net.blob @backwards : tensor<4xi64> ints [3, 2, 1, 0]
net.blob @v : tensor<4x2xi8> ints [1, 2, 3, 4, 5, 6, 7, 8]
net.blob @w2 : tensor<4x2x3x3xi8> from "sha256:02"
net.blob @one : tensor<1x!net.rational> rationals ["1"]

// Blobs are laid out as rows need them: thresholds [levels, classes, columns], and dense weights
// as [out, channels, height, width].
// CHECK-DAG: net.blob @stairs_1 : tensor<2x1x4xi64> ints [1, 2, 3, 4, 5, 6, 7, 8]
// CHECK-DAG: net.blob @border_1 : tensor<1x2x4xi64> ints [1, 1, 1, 1, 2, 2, 2, 2]
// CHECK-DAG: net.blob @border_classes : tensor<3xi32> ints [0, 1, 0]
// CHECK-DAG: net.blob @v_1 : tensor<2x1x2x2xi8> ints [7, 5, 3, 1, 8, 6, 4, 2]

// The stream that a host sends:
%x = spiking.input "x" scale "1" zero 0 as "UINT4" coding bitplane : !spiking.train<2x3x3 in 0 to 15>
// CHECK: %x = token.source "x" shape [2, 3, 3] scale "1" zero 0 as "UINT4" coding bitplane : !token.stream<9x2 in 0 to 15>

// A convolution and its neurons are one actor. The window leads from the spines that come in to the rows
// that they feed; its stride leaves out the middle of the 3x3 map.
%conv = spiking.conv %x weight @w window <kernel [1, 1], stride [2, 2]> groups 1 : !spiking.train<2x3x3 in 0 to 15> -> !spiking.current<4x2x2> loc("conv1")
%a = spiking.neuron %conv stairs @stairs charge 0 to 225 bits 9 : !spiking.current<4x2x2> -> !spiking.train<4x2x2 in 0 to 2> loc("quant1")
spiking.probe "a" %a zero 0 as "UINT4" : !spiking.train<4x2x2 in 0 to 2>
// CHECK-NEXT: %a = token.actor "conv1" columns 0 to 4 of 4 reads %x : !token.stream<9x2 in 0 to 15> -> !token.stream<4x4 in 0 to 2> {
// CHECK-NEXT: ^bb0([[X:%\d+]]: !token.stream<9x2 in 0 to 15>):
// CHECK-NEXT:   token.accumulate [[X]] weight @w map <3x3 to 2x2 window <kernel [1, 1], stride [2, 2]>> groups 1 :
// CHECK-NEXT:   token.fire stairs @stairs_1 alphabet ternary bits 9
// CHECK-NEXT: }
// CHECK-NEXT: token.probe "a" %a shape [4, 2, 2] zero 0 as "UINT4"

// Nobody reads this one.
%lost = spiking.neuron %conv stairs @stairs charge 0 to 225 bits 9 : !spiking.current<4x2x2> -> !spiking.train<4x2x2 in 0 to 2> loc("lost")
// CHECK-NOT: "lost"

// A join is an actor that reads two streams; both add to the charge of its rows.
%conv2 = spiking.conv %a weight @w2 window <kernel [3, 3], pads [1, 1, 1, 1]> groups 2 shift 3 : !spiking.train<4x2x2 in 0 to 2> -> !spiking.current<4x2x2> loc("conv2")
%skip = spiking.relay %a by @ones : !spiking.train<4x2x2 in 0 to 2> -> !spiking.current<4x2x2>
%both = spiking.join %conv2, %skip : !spiking.current<4x2x2>, !spiking.current<4x2x2> -> !spiking.current<4x2x2>
%b = spiking.neuron %both stairs @stairs alphabet floor charge 0 to 225 bits 9 : !spiking.current<4x2x2> -> !spiking.train<4x2x2 in 0 to 2> loc("quant2")
spiking.readout "b" %b zero 0 as "UINT4" : !spiking.train<4x2x2 in 0 to 2>
// CHECK:      %b = token.actor "conv2" columns 0 to 4 of 4 reads %a, %a :
// CHECK-NEXT: ^bb0([[LEFT:%\d+]]: !token.stream<4x4 in 0 to 2>, [[RIGHT:%\d+]]: !token.stream<4x4 in 0 to 2>):
// CHECK-NEXT:   token.accumulate [[LEFT]] weight @w2 map <2x2 to 2x2 window <kernel [3, 3], pads [1, 1, 1, 1]>> groups 2 shift 3 :
// CHECK-NEXT:   token.add [[RIGHT]] by @ones map <2x2 to 2x2 window <kernel [1, 1]>> :
// CHECK-NEXT:   token.fire stairs @stairs_1 alphabet floor bits 9
// CHECK:      token.readout "b" %b shape [4, 2, 2] zero 0 as "UINT4" :

// A pool adds, one constant per column. Where thresholds change over the map (an average over fewer
// elements at the border), rows with the same thresholds are a class: 0 the edges, 1 the middle.
%pool = spiking.sum_pool %b by @ones window <kernel [2, 2], pads [0, 1, 0, 1]> : !spiking.train<4x2x2 in 0 to 2> -> !spiking.current<4x1x3> loc("mean")
%c = spiking.neuron %pool stairs @border charge 0 to 8 bits 5 : !spiking.current<4x1x3> -> !spiking.train<4x1x3 in 0 to 1> loc("quant3")
spiking.probe "c" %c zero 0 as "UINT4" : !spiking.train<4x1x3 in 0 to 1>
// CHECK:      %c = token.actor "quant3" columns 0 to 4 of 4 reads %b :
// CHECK:        token.add {{%\d+}} by @ones map <2x2 to 1x3 window <kernel [2, 2], pads [0, 1, 0, 1]>> :
// CHECK-NEXT:   token.fire stairs @border_1 classes @border_classes alphabet ternary bits 5

// A max-pool traces what it reads.
%max = spiking.max_pool %a window <kernel [2, 2]> alphabet nearest : !spiking.train<4x2x2 in 0 to 2> -> !spiking.train<4x1x1 in 0 to 2> loc("pool1")
spiking.probe "max" %max zero 0 as "UINT4" : !spiking.train<4x1x1 in 0 to 2>
// CHECK:      %max = token.actor "pool1" columns 0 to 4 of 4 reads %a :
// CHECK:        token.trace {{%\d+}} map <2x2 to 1x1 window <kernel [2, 2]>> :
// CHECK-NEXT:   token.maximum map <2x2 to 1x1 window <kernel [2, 2]>> alphabet nearest

// A fully connected layer behind a Flatten reads the map itself: a convolution with a kernel as large as
// the map. Its weights move to where the elements are. Without a neuron, the charge stays for the host.
%map = spiking.input "map" scale "1" zero 0 as "UINT4" coding bitplane : !spiking.train<1x2x2 in 0 to 2>
%row = spiking.index %map at @backwards for "Flatten" : !spiking.train<1x2x2 in 0 to 2> -> !spiking.train<4 in 0 to 2>
%logits = spiking.dense %row weight @v : !spiking.train<4 in 0 to 2> -> !spiking.current<2> loc("fc")
spiking.readout "logits" %logits factor @one offset @one charge 0 to 40 bits 7 : !spiking.current<2>
// CHECK:      %map = token.source "map"
// CHECK-NEXT: [[LOGITS:%\d+]] = token.actor "fc" columns 0 to 2 of 2 reads %map : !token.stream<4x1 in 0 to 2> -> !token.stream<1x2 in 0 to 0> {
// CHECK:        token.accumulate {{%\d+}} weight @v_1 map <2x2 to 1x1 window <kernel [2, 2]>> groups 1 :
// CHECK-NEXT:   token.hold bits 7
// CHECK:      token.readout "logits" [[LOGITS]] shape [2] factor @one offset @one : !token.stream<1x2 in 0 to 0>
