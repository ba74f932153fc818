// RUN: not %elsac-opt %s -p check-blobs 2>&1 | filecheck %s

// Between two breakpoints there is one level, and one beyond each end.

net.blob @points : tensor<2x1x1xi64> ints [1, 2]
net.blob @levels : tensor<2xi32> ints [0, 1]
%x = "test.op"() : () -> !spiking.current<4x3>
%y = spiking.curve %x at @points levels @levels : !spiking.current<4x3> -> !spiking.train<4x3 in 0 to 3>

// CHECK: (spiking.curve): levels @levels has the shape [2], expected [3]
