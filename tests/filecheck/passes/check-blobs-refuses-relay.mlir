// RUN: not %elsac-opt %s -p check-blobs 2>&1 | filecheck %s

// One constant for each channel, not for each column of the map.

net.blob @c : tensor<3xi8> ints [1, 2, 3]
%x = "test.op"() : () -> !spiking.train<2x3x3 in 0 to 3>
%y = spiking.relay %x by @c : !spiking.train<2x3x3 in 0 to 3> -> !spiking.current<2x3x3>

// CHECK: (spiking.relay): constants @c has the shape [3], expected [2]
