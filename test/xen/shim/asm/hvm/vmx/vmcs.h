/* SPDX-License-Identifier: GPL-2.0-only */
/* Fields and bits of a VMCS that vmx.c names. */

#ifndef SHIM_ASM_HVM_VMX_VMCS_H
#define SHIM_ASM_HVM_VMX_VMCS_H

enum vmcs_field
{
    VIRTUAL_APIC_PAGE_ADDR      = 0x2012,
    EPT_POINTER                 = 0x201a,
    GUEST_PHYSICAL_ADDRESS      = 0x2400,
    EXCEPTION_BITMAP            = 0x4004,
    VM_ENTRY_INTR_INFO          = 0x4016,
    VM_EXIT_REASON              = 0x4402,
    VM_EXIT_INTR_INFO           = 0x4404,
    IDT_VECTORING_INFO          = 0x4408,
    VM_EXIT_INSTRUCTION_LEN     = 0x440c,
    GUEST_INTERRUPTIBILITY_INFO = 0x4824,
    GUEST_PREEMPTION_TIMER      = 0x482e,
    EXIT_QUALIFICATION          = 0x6400,
    GUEST_CS_BASE               = 0x6808,
    GUEST_DR7                   = 0x681a,
    GUEST_RIP                   = 0x681e,
    SHIM_VMCS_FIELDS            = 0x7000,
};

#define PIN_BASED_PREEMPT_TIMER         0x00000040u

#define CPU_BASED_VIRTUAL_INTR_PENDING  0x00000004u
#define CPU_BASED_TPR_SHADOW            0x00200000u
#define CPU_BASED_VIRTUAL_NMI_PENDING   0x00400000u
#define CPU_BASED_UNCOND_IO_EXITING     0x01000000u
#define CPU_BASED_ACTIVATE_IO_BITMAP    0x02000000u
#define CPU_BASED_MONITOR_TRAP_FLAG     0x08000000u

#define VMX_INTR_SHADOW_STI             0x00000001u
#define VMX_INTR_SHADOW_MOV_SS          0x00000002u
#define VMX_INTR_SHADOW_NMI             0x00000008u

#endif /* SHIM_ASM_HVM_VMX_VMCS_H */
