/* SPDX-License-Identifier: GPL-2.0-only */
/* VSBypass: what is started, if the command line names a link. */

#include "vsb.h"

#include <xen/init.h>

#include <asm/cpufeature.h>

bool __read_mostly vsb_enabled;
bool __read_mostly vsb_link_up;

/* Before the calls through vsb_arch are patched to direct ones. */
static int __init cf_check choose_arch(void)
{
    if ( cpu_has_svm )
        vsb_arch = vsb_svm;
    else if ( cpu_has_vmx )
        vsb_arch = vsb_vmx;

    return 0;
}
presmp_initcall(choose_arch);

static int __init cf_check begin(void)
{
    if ( !vsb_link_wanted() )
        return 0;

    if ( !vsb_arch.decode )
    {
        printk(XENLOG_ERR
               "VSBypass: no shadow devices on this kind of processor\n");
        return 0;
    }

    vsb_vm_init();
    vsb_protocol_init();
    alternative_vcall(vsb_arch.init);
    /* Without it COM1 is a dead port, not L2's: see vsb_vm_may_be_new(). */
    vsb_link_up = vsb_link_start();
    vsb_enabled = true;

    return 0;
}
__initcall(begin);
