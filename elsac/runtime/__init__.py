"""The machine: ISA, program, emulator, packets. Knows nothing of compiler or IR."""
