/* SPDX-License-Identifier: GPL-2.0-only */
/* VSBypass: the debug key, for who looks on Xen's own console. */

#include "vsb.h"

#include <xen/init.h>
#include <xen/keyhandler.h>

static const char *state_name(enum vsb_state state)
{
    static const char *const names[] = { "free", "running", "silent", "gone" };

    return names[state];
}

static void cf_check dump(unsigned char key)
{
    static const char *const irq_modes[] = {
        "doorbell", "ultracall", "net", "direct",
    };
    unsigned int i;

    printk("VSBypass: irq %s, ultracalls %lu, of which waited %lu\n",
           irq_modes[vsb_irq_mode], vsb_count.ultracalls,
           vsb_count.ultracall_waits);
    printk("VSBypass: seen %lu refused %lu, frames in %lu out %lu bad %lu "
           "resends %lu\n", vsb_count.vms_seen, vsb_count.vms_refused,
           vsb_count.frames_in, vsb_count.frames_out,
           vsb_count.frames_bad_crc + vsb_count.frames_oversize +
           vsb_count.frames_bad_escape, vsb_count.resends);

    for ( i = 0; i < VSB_MAX_VMS; i++ )
    {
        const struct vsb_vm *vm = &vsb_vms[i];
        const struct vsb_vm_counters *c = &vm->count;

        if ( vm->state == VSB_FREE )
            continue;

        printk(" slot %u: d%u %s%s%s gen %u vcpus %u root %#lx vmcb %#lx\n",
               i, vm->domid, state_name(vm->state),
               vm->hooked ? " hooked" : "",
               vm->doubtful ? " doubtful" : "", vm->generation, vm->nr_vcpus,
               vm->roots[0], vm->vcpus[0].vmcx);
        printk("  exits com1 %lu hlt %lu other %lu, bytes out %lu in %lu\n",
               c->exits_com1, c->exits_hlt, c->exits_other, c->bytes_out,
               c->bytes_in);
        printk("  irqs %lu rings %lu (again %lu) exits %lu told %lu, "
               "halts %lu, overruns %lu/%lu\n", c->irq_asserts, c->rings,
               c->rerings, c->doorbell_exits, c->lines_told, c->halts_captured,
               c->tx_overruns, c->rx_overruns);
        printk("  direct %lu (unanswered %lu): vector %#x of vcpu %u, seen %u, "
               "failures %u\n", c->directs, c->directs_unanswered,
               vm->direct.vector, vm->direct.vcpu, vm->direct.seen,
               vm->direct.failures);
        printk("  stepped %lu, breakpoints %lu, rewritten %lu\n", c->stepped,
               c->breakpoints, c->rewritten);
        printk("  uart ier %02x iir %02x mcr %02x lcr %02x, bell %s%s%s, "
               "out %u/%u/%u in %u/%u\n", vm->uart.ier,
               vsb_uart_pending(&vm->uart), vm->uart.mcr, vm->uart.lcr,
               vm->bell.asserted ? "asserted " : "",
               vm->bell.raised ? "raised " : "low ",
               vm->bell.answered ? "answered" : "", vm->out_acked,
               vm->out_sent, vm->out_end, vm->in_taken, vm->in_next);
    }
}

static int __init cf_check debug_init(void)
{
    register_keyhandler('V', dump, "dump VSBypass state", true);

    return 0;
}
__initcall(debug_init);
