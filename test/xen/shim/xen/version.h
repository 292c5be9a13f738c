/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef SHIM_XEN_VERSION_H
#define SHIM_XEN_VERSION_H

unsigned int xen_major_version(void);
unsigned int xen_minor_version(void);
const char *xen_extra_version(void);

#endif /* SHIM_XEN_VERSION_H */
