/* SPDX-License-Identifier: GPL-2.0-only */
/* The only page that is ever mapped: L3's virtual APIC. */

#ifndef SHIM_XEN_DOMAIN_PAGE_H
#define SHIM_XEN_DOMAIN_PAGE_H

#include <xen/types.h>

#define maddr_to_mfn(maddr) ((maddr) >> PAGE_SHIFT)

const void *map_domain_page(uint64_t mfn);
void unmap_domain_page(const void *page);

#endif /* SHIM_XEN_DOMAIN_PAGE_H */
