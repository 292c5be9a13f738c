/* SPDX-License-Identifier: GPL-2.0-only */
/* What Xen calls at boot, the test calls by these names. */

#ifndef SHIM_XEN_INIT_H
#define SHIM_XEN_INIT_H

#define __read_mostly
#define __initconst_cf_clobber

#define presmp_initcall(fn) int (*shim_presmp_initcall)(void) = fn
#define __initcall(fn)      int (*shim_initcall)(void) = fn

#endif /* SHIM_XEN_INIT_H */
