/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef SHIM_XEN_EVENT_H
#define SHIM_XEN_EVENT_H

#include <xen/sched.h>

/* A vCPU that runs comes by soon, one that is blocked runs again. */
void vcpu_kick(struct vcpu *v);

#endif /* SHIM_XEN_EVENT_H */
