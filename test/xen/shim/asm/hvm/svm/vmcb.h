/* SPDX-License-Identifier: GPL-2.0-only */
/* What svm.c looks at of a VMCB (AMD64 APM volume 2, appendix B), and exit codes. */

#ifndef SHIM_ASM_HVM_SVM_VMCB_H
#define SHIM_ASM_HVM_SVM_VMCB_H

#include <xen/types.h>

#define GENERAL1_INTERCEPT_IOIO_PROT (1u << 27)

enum
{
    VMEXIT_DR0_READ = 0x20,
    VMEXIT_DR15_WRITE = 0x3f,
    VMEXIT_INTR = 0x60,
    VMEXIT_NMI = 0x61,
    VMEXIT_VINTR = 0x64,
    VMEXIT_HLT = 0x78,
    VMEXIT_IOIO = 0x7b,
    VMEXIT_MSR = 0x7c,
    VMEXIT_NPF = 0x400,
};

#define X86_EVENTTYPE_EXT_INTR 0

typedef union
{
    struct
    {
        uint8_t vector;
        uint8_t type:3;
        bool ev:1;
        uint32_t reserved:19;
        bool v:1;
        uint32_t ec;
    };
    uint64_t raw;
} intinfo_t;

struct vmcb_struct
{
    uint64_t exitinfo1, exitinfo2;
    uint64_t rip, nextrip;
    uint64_t _dr7;
    uint8_t guest_ins_len;
    intinfo_t exit_int_info, event_inj;
    struct
    {
        bool intr_shadow;
    } int_stat;
    struct
    {
        struct
        {
            uint8_t tpr;
            bool irq;
        } fields;
    } _vintr;
    struct
    {
        uint64_t base;
    } cs;
    /* Where VMCB_MARK is, as in a VMCB. */
    _Alignas(0x200) uint8_t res10a[0x200];
};

static inline uint64_t vmcb_get_dr7(const struct vmcb_struct *vmcb)
{
    return vmcb->_dr7;
}

#endif /* SHIM_ASM_HVM_SVM_VMCB_H */
