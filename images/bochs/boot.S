/*
 * What starts L1 where no boot loader does: in the place of a display's ROM, which Bochs' BIOS calls when it has set the machine up. The images lie in
 * memory already. It enters protected mode without paging and jumps to the hypervisor, as a loader by the Multiboot specification,
 * version 0.6.96, section 3.2, does. The first two words at HANDOVER are the address of the multiboot information and the entry.
 */
        .code16
        .globl _start
_start:
        .byte 0x55, 0xaa        /* signature of an option ROM */
        .byte 1                 /* units of 512 bytes */

        cli
        movw %cs, %ax
        movw %ax, %ds
        inb $0x92, %al          /* A20 */
        orb $2, %al
        andb $0xfe, %al
        outb %al, $0x92
        lgdtl descriptors_register - _start
        movl %cr0, %eax
        orb $1, %al
        movl %eax, %cr0
        ljmpl $8, $(ROM + protected - _start)

        .code32
protected:
        movw $16, %ax
        movw %ax, %ds
        movw %ax, %es
        movw %ax, %ss
        movw %ax, %fs
        movw %ax, %gs
        movl $0x7c00, %esp
        movl HANDOVER, %ebx
        movl HANDOVER + 4, %ecx
        movl $0x2badb002, %eax
        jmp *%ecx

        .balign 8
descriptors:
        .quad 0
        .quad 0x00cf9b000000ffff        /* code, 4 GiB */
        .quad 0x00cf93000000ffff        /* data, 4 GiB */
descriptors_register:
        .word descriptors_register - descriptors - 1
        .long ROM + descriptors - _start

        .org 511                        /* the build puts the sum here, which makes all bytes add up to 0 */
        .byte 0
