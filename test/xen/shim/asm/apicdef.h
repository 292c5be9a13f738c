/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef SHIM_ASM_APICDEF_H
#define SHIM_ASM_APICDEF_H

#define APIC_TASKPRI    0x80
#define APIC_EOI        0xb0

#endif /* SHIM_ASM_APICDEF_H */
