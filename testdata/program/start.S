// Where a module begins: a jump over the word that says where its header is. The header's offsets count from itself.

    .section .text.start, "ax"
    .global _start
_start:
    b begin
    .word module - _start

begin:
    stp x29, x30, [sp, #-16]!
    mov x29, sp
    bl main
    b leave

module:
    .ascii "MOD0"
    .word 0
    .word __bss_start - module
    .word __bss_end - module
    .word 0
    .word 0
    .word 0

// The contract with whoever runs it: arguments in x0 to x3, the result in x0.

    .global open_file
open_file:                  // (path, length) -> handle, negative where there is no such file
    svc #1
    ret

    .global read_file
read_file:                  // (handle, offset, buffer, size) -> bytes that were there
    svc #2
    ret

    .global print
print:                      // (text, length)
    svc #3
    ret

leave:                      // (code)
    svc #4
    b leave
