/* SPDX-License-Identifier: GPL-2.0-only */
/* In Xen's tree images/xen/src/hooks.h has this name. */

#ifndef CONFIG_VSBYPASS
#define CONFIG_VSBYPASS 1
#endif

#include <hooks.h>
