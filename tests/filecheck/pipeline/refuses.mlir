// RUN: not %elsac-opt %s -p nonsense 2>&1 | filecheck %s --check-prefix PASS
// RUN: not %elsac-opt %s -p 'place-cores{sed=1}' 2>&1 | filecheck %s --check-prefix OPTION
// RUN: not %elsac-opt %s -p 'place-cores{seed="a"}' 2>&1 | filecheck %s --check-prefix TYPE
// RUN: not %elsac-opt %s -p 'place-cores{' 2>&1 | filecheck %s --check-prefix SYNTAX
// RUN: not %elsac-opt %s.missing 2>&1 | filecheck %s --check-prefix FILE

// What is wrong with the command line is one line, as what is wrong with the module.

// PASS-NOT:   Traceback
// PASS:       elsac-opt: the pipeline 'nonsense': Unrecognized passes: ['nonsense']
// OPTION-NOT: Traceback
// OPTION:     elsac-opt: the pipeline 'place-cores{sed=1}': Provided arguments ["sed"] not found
// TYPE-NOT:   Traceback
// TYPE:       elsac-opt: the pipeline 'place-cores{seed="a"}': Incompatible types
// SYNTAX-NOT: Traceback
// SYNTAX:     elsac-opt: the pipeline 'place-cores{': Expected argument name here
// FILE-NOT:   Traceback
// FILE:       elsac-opt: [Errno 2] No such file or directory
