/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef SHIM_ASM_HVM_NESTEDHVM_H
#define SHIM_ASM_HVM_NESTEDHVM_H

#include <xen/sched.h>

#define NESTEDHVM_PAGEFAULT_DONE    0
#define NESTEDHVM_PAGEFAULT_INJECT  1

#define vcpu_nestedhvm(v)           ((v)->arch.hvm.nvcpu)
#define nestedhvm_vcpu_in_guestmode(v) (vcpu_nestedhvm(v).nv_guestmode)
#define nestedhvm_enabled(d)        ((void)(d), true)
bool nestedhvm_paging_mode_hap(const struct vcpu *v);

#endif /* SHIM_ASM_HVM_NESTEDHVM_H */
