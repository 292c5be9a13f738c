/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef SHIM_ASM_HVM_SVM_NESTEDSVM_H
#define SHIM_ASM_HVM_SVM_NESTEDSVM_H

#include <xen/sched.h>

#define vcpu_nestedsvm(v) (vcpu_nestedhvm(v).nsvm)

void nestedsvm_vmexit_defer(struct vcpu *v, uint64_t exitcode,
                            uint64_t exitinfo1, uint64_t exitinfo2);

#endif /* SHIM_ASM_HVM_SVM_NESTEDSVM_H */
