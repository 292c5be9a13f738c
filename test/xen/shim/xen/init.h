/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef SHIM_XEN_INIT_H
#define SHIM_XEN_INIT_H

#define __initconst_cf_clobber

#endif /* SHIM_XEN_INIT_H */
