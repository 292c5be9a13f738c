/*
 * Where the guest begins, as Xen and QEMU start a PVH guest: 32-bit protected mode without paging, EBX points to hvm_start_info
 * (Xen, public/arch-x86/hvm/start_info.h). From here to main() in 64-bit mode, with all of the first 4 GiB mapped where they are.
 */
        .section .note.Xen, "a", @note
        .long   4, 4, 18                /* XEN_ELFNOTE_PHYS32_ENTRY */
        .asciz  "Xen"
        .long   begin

        .set    PRESENT, 1
        .set    WRITABLE, 2
        .set    USER, 4
        .set    LARGE, 0x80
        .set    EFER, 0xc0000080
        .set    CODE64, 0x08
        .set    DATA, 0x10

        .section .text.start, "ax"
        .code32
        /* A guest's guest that begins at 1 MiB, or slides there over empty memory, would become this system and write over it. */
        .fill   16, 1, 0xf4             /* HLT */
        .globl  begin
begin:  cli
        cld
        mov     %ebx, start_info
        mov     $stack_top, %esp
        mov     $4, %ebx                /* tables of 1 GiB each */
        mov     $(LARGE | USER | WRITABLE | PRESENT), %eax
        mov     $directories, %edi
        mov     $directories + (USER | WRITABLE | PRESENT), %edx
        mov     $pointers, %esi
1:      mov     %edx, (%esi)
        add     $0x1000, %edx
        add     $8, %esi
        mov     $512, %ecx
2:      mov     %eax, (%edi)
        add     $0x200000, %eax
        add     $8, %edi
        loop    2b
        dec     %ebx
        jnz     1b
        movl    $pointers + (USER | WRITABLE | PRESENT), root
        call    paging
        ljmp    $CODE64, $3f
        .code64
3:      mov     $DATA, %eax
        mov     %eax, %ds
        mov     %eax, %es
        mov     %eax, %ss
        mov     $stack_top, %rsp
        call    main
4:      hlt
        jmp     4b

/* To compatibility mode; also what the second CPU does. */
        .code32
paging: mov     $root, %eax
        mov     %eax, %cr3
        mov     %cr4, %eax
        or      $0x620, %eax            /* PAE, OSFXSR, OSXMMEXCPT */
        mov     %eax, %cr4
        mov     $EFER, %ecx
        rdmsr
        or      $0x900, %eax            /* LME, NXE */
        wrmsr
        mov     %cr0, %eax
        and     $~0xe, %eax             /* no MP, EM, TS */
        or      $0x80010003, %eax       /* PG, WP, MP, PE */
        mov     %eax, %cr0
        lgdt    gdt_pointer
        ret

/* The second CPU starts in real mode at a page below 1 MiB, to which this is copied. */
        .code16
        .globl  trampoline, trampoline_end
trampoline:
        cli
        xor     %ax, %ax
        mov     %ax, %ds
        lgdtl   %cs:(gdt_pointer_low - trampoline)
        mov     %cr0, %eax
        or      $1, %al
        mov     %eax, %cr0
        ljmpl   $0x18, $5f
gdt_pointer_low:
        .word   gdt_end - gdt - 1
        .long   gdt
trampoline_end:
        .code32
5:      mov     $DATA, %eax
        mov     %eax, %ds
        mov     %eax, %es
        mov     %eax, %ss
        mov     $second_stack_top, %esp
        call    paging
        ljmp    $CODE64, $6f
        .code64
6:      mov     $second_stack_top, %rsp
        call    second_main
7:      hlt
        jmp     7b

/* One stub for each vector: what they leave on the stack is struct frame of machine.h. */
        .altmacro
        .macro  stub vector
        .balign 16
        .if     !(\vector == 8 || (\vector >= 10 && \vector <= 14) || \vector == 17 || \vector == 21 || \vector == 29 || \vector == 30)
        push    $0
        .endif
        push    $\vector
        jmp     common
        .endm
        .balign 16
        .globl  stubs
stubs:
        .set    vector, 0
        .rept   256
        stub    %vector
        .set    vector, vector + 1
        .endr

common: push    %rax
        push    %rcx
        push    %rdx
        push    %rbx
        push    %rbp
        push    %rsi
        push    %rdi
        push    %r8
        push    %r9
        push    %r10
        push    %r11
        push    %r12
        push    %r13
        push    %r14
        push    %r15
        mov     %rsp, %rdi
        cld
        call    on_trap
        pop     %r15
        pop     %r14
        pop     %r13
        pop     %r12
        pop     %r11
        pop     %r10
        pop     %r9
        pop     %r8
        pop     %rdi
        pop     %rsi
        pop     %rbp
        pop     %rbx
        pop     %rdx
        pop     %rcx
        pop     %rax
        add     $16, %rsp
        iretq

/*
 * void run_guest(struct registers *, uint64_t vmcb): AMD64 Architecture Programmer's Manual, volume 2, 15.5. RAX and RSP are
 * in the VMCB. Global interrupts are off when it is called, and off when it returns.
 */
        .macro  load register, offset
        mov     \offset(%rdi), %\register
        .endm
        .macro  store register, offset
        mov     %\register, \offset(%rdi)
        .endm
/* All of struct registers but RDI, which points to it. */
        .macro  for_registers action
        \action rcx, 0
        \action rdx, 8
        \action rbx, 16
        \action rbp, 24
        \action rsi, 32
        \action r8, 48
        \action r9, 56
        \action r10, 64
        \action r11, 72
        \action r12, 80
        \action r13, 88
        \action r14, 96
        \action r15, 104
        .endm

        .globl  run_guest
run_guest:
        push    %rbx
        push    %rbp
        push    %r12
        push    %r13
        push    %r14
        push    %r15
        push    %rdi
        mov     %rsi, %rax
        vmload
        for_registers load
        mov     40(%rdi), %rdi
        vmrun
        push    %rdi
        mov     8(%rsp), %rdi
        for_registers store
        pop     %rcx
        mov     %rcx, 40(%rdi)
        vmsave
        pop     %rdi
        pop     %r15
        pop     %r14
        pop     %r13
        pop     %r12
        pop     %rbp
        pop     %rbx
        ret

        .section .data
        .balign 8
        .globl  gdt, gdt_pointer
gdt:    .quad   0
        .quad   0x00af9b000000ffff      /* CODE64 */
        .quad   0x00cf93000000ffff      /* DATA */
        .quad   0x00cf9b000000ffff      /* 32-bit code */
        .globl  task_descriptor
task_descriptor:
        .quad   0, 0
gdt_end:
gdt_pointer:
        .word   gdt_end - gdt - 1
        .quad   gdt

        .globl  start_info
start_info:
        .quad   0

        .section .bss
        .balign 4096
        .globl  root
root:   .skip   4096
pointers:
        .skip   4096
directories:
        .skip   4 * 4096
        .globl  stack_top
        .skip   16384
stack_top:
        .skip   16384
second_stack_top:
