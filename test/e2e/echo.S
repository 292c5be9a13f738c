/*
 * A boot sector that lives by the interrupt of COM1: it halts, and gives back what its handler finds in the receiver.
 *
 *   as --32 --defsym MODEM=0x08 --defsym TIMER=1 echo.S -o echo.o && ld -m elf_i386 -Ttext 0x7c00 --oformat binary echo.o -o echo
 *
 * MODEM goes to the modem control register: 0x08 is OUT2, which a PC's interrupt line passes through; 0, as xv6 has it, leaves that
 * out. TIMER: 1 if the timer interrupts, too; 0 if nothing but COM1 can end a HLT.
 */
        .code16
        .text
        .globl  _start

        .set    COM1, 0x3f8
        .set    MASKS, 0x21             /* of the first interrupt controller */
        .set    COMMAND, 0x20
        .set    VECTOR_TIMER, 0x08
        .set    VECTOR_COM1, 0x0c

        .macro  outbyte port, value
        mov     $\port, %dx
        mov     $\value, %al
        out     %al, (%dx)
        .endm

_start: cli
        xor     %ax, %ax
        mov     %ax, %ds
        mov     %ax, %ss
        mov     $0x7c00, %sp
        ljmp    $0, $1f
1:      movw    $timer, VECTOR_TIMER * 4
        movw    %ax, VECTOR_TIMER * 4 + 2
        movw    $com1, VECTOR_COM1 * 4
        movw    %ax, VECTOR_COM1 * 4 + 2
        outbyte COM1 + 2, 0             /* FCR: no FIFO */
        outbyte COM1 + 3, 3             /* LCR: 8N1 */
        outbyte COM1 + 4, MODEM
        outbyte COM1 + 1, 1             /* IER: received data */
        mov     $COM1, %dx
        in      (%dx), %al
        mov     $0xef - TIMER, %al
        out     %al, $MASKS
        mov     $'>', %al
        call    put
        sti
2:      hlt
        jmp     2b

timer:  push    %ax
        mov     $0x20, %al
        out     %al, $COMMAND
        pop     %ax
        iret

com1:   push    %ax
        push    %dx
3:      mov     $COM1 + 5, %dx
        in      (%dx), %al
        test    $1, %al
        jz      4f
        mov     $COM1, %dx
        in      (%dx), %al
        call    put
        jmp     3b
4:      mov     $0x20, %al
        out     %al, $COMMAND
        pop     %dx
        pop     %ax
        iret

put:    push    %dx
        push    %ax
        mov     $COM1 + 5, %dx
5:      in      (%dx), %al
        test    $0x20, %al
        jz      5b
        pop     %ax
        mov     $COM1, %dx
        out     %al, (%dx)
        pop     %dx
        ret

        .org    510
        .word   0xaa55
