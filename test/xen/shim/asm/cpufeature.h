/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef SHIM_ASM_CPUFEATURE_H
#define SHIM_ASM_CPUFEATURE_H

#include <xen/types.h>

#define cpu_has_svm true
#define cpu_has_vmx false

#endif /* SHIM_ASM_CPUFEATURE_H */
