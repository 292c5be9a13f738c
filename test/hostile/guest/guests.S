/* What the guest's guest runs: most end with VMMCALL, and some not at all. */
        .section .rodata
        .code64
        .macro  program name
        .globl  \name
\name:
        .endm

program print_letters                   /* A string of RCX bytes at RSI to COM1, by REP OUTSB. */
        mov     $0x3f8, %dx
        cld
        rep outsb
        vmmcall

program read_clock
        rdtsc
        shl     $32, %rdx
        or      %rdx, %rax
        vmmcall

program only_call
        vmmcall
        jmp     only_call

program read_msr_of_rcx
        rdmsr
        vmmcall

program load_registers                  /* XMM0 gets RAX; DR0 to DR3 get RCX. */
        movq    %rax, %xmm0
        mov     %rcx, %db0
        mov     %rcx, %db1
        mov     %rcx, %db2
        mov     %rcx, %db3
        vmmcall

program tell_registers
        movq    %xmm0, %rax
        mov     %db0, %rbx
        vmmcall

program read_memory                     /* RAX: what is at RBX */
        mov     (%rbx), %rax
        vmmcall

program write_memory
        mov     %rax, (%rbx)
        vmmcall

program jump_to_rbx
        jmp     *%rbx

program single_step
        nop
        nop
        vmmcall

program ask_rdpru
        xor     %ecx, %ecx
        .byte   0x0f, 0x01, 0xfd
        vmmcall

program read_cr2                        /* into RBX */
        mov     %cr2, %rbx
        vmmcall

program read_cr3
        mov     %cr3, %rbx
        vmmcall

program read_cr8
        mov     %cr8, %rbx
        vmmcall

program ask_cpuid
        cpuid
        vmmcall

program halt
        hlt
        vmmcall

program raise_ud
        ud2

program allow_interrupts
        sti
        nop
        vmmcall

program busy_with_interrupts            /* Now on, now off, with exits in between; R9: memory for it */
        sti
        nop
        cpuid
        cli
        push    %rax
        pop     %rax
        incl    (%r9)
        cpuid
        mov     $100, %ebp
1:      dec     %ebp
        jnz     1b
        sti
        mov     $50, %ebp
2:      dec     %ebp
        jnz     2b
        jmp     busy_with_interrupts

program slow_with_interrupts
        cli
        mov     $300000, %ebp
1:      dec     %ebp
        jnz     1b
        sti
        nop
        cpuid
        jmp     slow_with_interrupts

program loop_for_ever
        jmp     loop_for_ever

program switch_interrupts               /* STGI and CLGI of its own: SVM's instructions in a guest's guest */
        stgi
        clgi
        vmmcall

program port_widths                     /* All widths at the port RDX, in and out */
        out     %al, %dx
        out     %ax, %dx
        out     %eax, %dx
        in      %dx, %al
        in      %dx, %ax
        in      %dx, %eax
        out     %al, $0xed
        in      $0x80, %al
        vmmcall

program port_strings
        mov     %rcx, %r8
        rep outsb
        mov     %r8, %rcx
        rep insb
        mov     %r8, %rcx
        std
        rep outsw
        mov     %r8, %rcx
        rep insl
        cld
        mov     %r8, %rcx
        addr32 rep outsl
        vmmcall

program write_msr_of_rcx
        wrmsr
        vmmcall

program halt_with_interrupts
        sti
        hlt
        vmmcall

program enter_again                     /* VMRUN, VMLOAD, VMSAVE and INVLPGA in a guest's guest; RAX: the VMCB */
        vmload
        vmsave
        invlpga %rax, %ecx
        vmrun
        vmmcall

program change_control_registers
        mov     %cr4, %rcx
        xor     $0x80, %rcx
        mov     %rcx, %cr4
        mov     %cr0, %rcx
        xor     $0x40000000, %rcx
        mov     %rcx, %cr0
        mov     %cr3, %rcx
        mov     %rcx, %cr3
        mov     %rbx, %cr2
        clts
        smsw    %ax
        lmsw    %ax
        invlpg  (%rbx)
        wbinvd
        vmmcall

program write_task_priority
        mov     %rbx, %cr8
        mov     %cr8, %rax
        vmmcall

program write_debug_registers
        mov     %rcx, %db0
        mov     %rbx, %db7
        mov     %rdx, %db1
        mov     %rdx, %db7
        vmmcall

        .code16
program real_mode_string                /* From the data of its segment to COM1, by REP OUTSB, without paging */
        mov     $real_mode_text - real_mode_string, %si
        mov     $7, %cx
        mov     $0x3f8, %dx
        cld
        rep outsb
        vmmcall
real_mode_text:
        .ascii  "segment"
        .globl  real_mode_end
real_mode_end:
