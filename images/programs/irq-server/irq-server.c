/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The interrupt server of `--irq ultracall` and `--irq net`: raises and lowers IRQ 4 of user VMs as the shadow hypervisor
 * wants it, by the virtualized system's own interface. Runs as root in the management VM of L2, brought there at run time.
 *
 *   irq-server ultracall kvm|xen    asks the shadow hypervisor itself, on a CPU of its own (images/xen/src/ultracall.c)
 *   irq-server net kvm|xen          reads lines `UUID 0|1` from stdin
 *
 * It says `ready` on stdout, complains on stderr, and ends when stdin does. It learns only that the VM of that UUID wants its
 * line at that level. IRQ 4 is edge triggered: "1" for a line that is up makes an edge, since levels in between may have
 * been left out.
 *
 * KVM: the human monitor of the VM's QEMU (/run/vm/NAME/monitor.sock) writes to IER of the UART that L2 emulates for
 * it, which is idle: its transmit interrupt drives the line. Another process cannot use KVM_IRQ_LINE: KVM compares the address space.
 * Xen: XEN_DMOP_set_isa_irq_level, as the device model does it.
 * Exit codes: 0 stdin ended, 1 failure, 2 usage.
 */
#define _GNU_SOURCE
#include <cpuid.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define COM1_IRQ 4
#define VMS 64
#define UUID_TEXT 36
#define ULTRACALL 0x7373617079425356ull /* "VSBypass" */
#define HYGON_EBX 0x6f677948 /* "Hygo": not in every cpuid.h */
#ifndef ROOT
#define ROOT "" /* tests have another one */
#endif
#define DEFINITIONS ROOT "/etc/vsbypass/vms"

static struct vm {
    char uuid[UUID_TEXT + 1];
    bool high;
    int monitor; /* KVM: socket, or -1 */
    int domid;   /* Xen: or -1 */
} vms[VMS];
static unsigned int nr_vms;

static bool (*apply)(struct vm *vm, bool level);

static int fail(const char *what)
{
    fprintf(stderr, "irq-server: %s: %s\n", what, strerror(errno));
    return 1;
}

/* The entry of that UUID; the oldest one makes room. */
static struct vm *find_vm(const char *uuid)
{
    static unsigned int oldest;
    struct vm *vm;
    unsigned int i;

    for (i = 0; i < nr_vms; i++)
        if (!strcmp(vms[i].uuid, uuid))
            return &vms[i];

    if (nr_vms < VMS) {
        vm = &vms[nr_vms++];
    } else {
        vm = &vms[oldest++ % VMS];
        if (vm->monitor >= 0)
            close(vm->monitor);
    }
    *vm = (struct vm){ .monitor = -1, .domid = -1 };
    strcpy(vm->uuid, uuid);
    return vm;
}

/* KVM */

/* Whether the arguments of QEMU in that file, one a line, have `-uuid` and this one. */
static bool defines(const char *path, const char *uuid)
{
    FILE *file = fopen(path, "re");
    char *line = NULL;
    size_t size = 0;
    bool option = false, found = false;

    while (file && !found && getline(&line, &size, file) > 0) {
        line[strcspn(line, "\n")] = 0;
        found = option && !strcasecmp(line, uuid);
        option = !strcmp(line, "-uuid");
    }
    free(line);
    if (file)
        fclose(file);
    return found;
}

static bool name_of(const char *uuid, char *name, size_t size)
{
    DIR *directory = opendir(DEFINITIONS);
    struct dirent *entry;
    char path[sizeof(DEFINITIONS) + sizeof(entry->d_name) + 8];
    bool found = false;

    while (directory && !found && (entry = readdir(directory))) {
        snprintf(path, sizeof(path), DEFINITIONS "/%s/argv", entry->d_name);
        found = entry->d_name[0] != '.' && strlen(entry->d_name) < size && defines(path, uuid);
        if (found)
            strcpy(name, entry->d_name);
    }
    if (directory)
        closedir(directory);
    return found;
}

static bool connect_monitor(struct vm *vm)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    char name[64];

    if (!name_of(vm->uuid, name, sizeof(name)))
        return false;
    snprintf(address.sun_path, sizeof(address.sun_path), ROOT "/run/vm/%s/monitor.sock", name);
    vm->monitor = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (vm->monitor >= 0 && !connect(vm->monitor, (struct sockaddr *)&address, sizeof(address)))
        return true;
    if (vm->monitor >= 0)
        close(vm->monitor);
    vm->monitor = -1;
    return false;
}

/* What the monitor echoes and prompts is of no interest. False: it is closed. */
static bool drain(int monitor)
{
    char nothing[4096];
    ssize_t n;

    while ((n = recv(monitor, nothing, sizeof(nothing), MSG_DONTWAIT)) > 0)
        ;
    return n < 0 && (errno == EAGAIN || errno == EINTR);
}

static bool apply_by_monitor(struct vm *vm, bool level)
{
    /* Short: QEMU reads its monitor a byte at a time. */
    static const char lower[] = "o/b 0x3f9 0\n", raise[] = "o/b 0x3f9 2\n";
    char command[sizeof(lower) + sizeof(raise)];
    unsigned int tries;
    size_t length;

    for (tries = 0; tries < 2; tries++) {
        if (vm->monitor >= 0 && !drain(vm->monitor)) {
            close(vm->monitor);
            vm->monitor = -1;
        }
        if (vm->monitor < 0) {
            vm->high = false;
            if (!connect_monitor(vm))
                return false;
        }
        strcpy(command, vm->high && level ? lower : "");
        strcat(command, level ? raise : lower);
        length = strlen(command);
        if (send(vm->monitor, command, length, MSG_NOSIGNAL) == (ssize_t)length)
            return true;
        /* The VM was started anew. */
        close(vm->monitor);
        vm->monitor = -1;
    }
    return false;
}

/* Xen: the interface of its privcmd driver and of public/hvm/dm_op.h */

#define DMOP_SET_ISA_IRQ_LEVEL 9

struct dm_op {
    uint32_t op, pad;
    uint8_t isa_irq, level;
    uint8_t rest[54];
};
struct dm_op_buffer {
    void *address;
    size_t size;
};
struct privcmd_dm_op {
    uint16_t domid, buffers;
    const struct dm_op_buffer *buffer;
};
#define IOCTL_PRIVCMD_DM_OP _IOC(_IOC_NONE, 'P', 5, sizeof(struct privcmd_dm_op))

static int privcmd = -1;

/* Columns of `xl list -v`: name, id, memory, vCPUs, state, time, UUID, ... */
static int domid_of(const char *uuid)
{
    FILE *list = popen("xl list -v", "re");
    char line[512], found[UUID_TEXT + 1];
    int domid = -1, id;

    while (list && fgets(line, sizeof(line), list))
        if (sscanf(line, "%*s %d %*s %*s %*s %*s %36s", &id, found) == 2 && !strcasecmp(found, uuid))
            domid = id;
    if (list)
        pclose(list);
    return domid;
}

static bool set_isa_irq(int domid, bool level)
{
    struct dm_op op = { .op = DMOP_SET_ISA_IRQ_LEVEL, .isa_irq = COM1_IRQ, .level = level };
    struct dm_op_buffer buffer = { .address = &op, .size = sizeof(op) };
    struct privcmd_dm_op call = { .domid = domid, .buffers = 1, .buffer = &buffer };

    return !ioctl(privcmd, IOCTL_PRIVCMD_DM_OP, &call);
}

static bool apply_by_dm_op(struct vm *vm, bool level)
{
    unsigned int tries;

    for (tries = 0; tries < 2; tries++) {
        if (vm->domid < 0) {
            vm->high = false;
            vm->domid = domid_of(vm->uuid);
            if (vm->domid < 0)
                return false;
        }
        if ((!vm->high || !level || set_isa_irq(vm->domid, false)) && set_isa_irq(vm->domid, level))
            return true;
        /* That domain is gone; a VM that was started anew is another one. */
        vm->domid = -1;
    }
    return false;
}

static bool has_uuid_form(const char *text)
{
    return strlen(text) == UUID_TEXT && strspn(text, "0123456789abcdef-") == UUID_TEXT;
}

static void set_line(const char *uuid, bool level)
{
    struct vm *vm = find_vm(uuid);

    /* A VM that is not there any more needs no interrupt; it is told again if it comes back. */
    vm->high = apply(vm, level) && level;
}

static int serve_net(void)
{
    char buffer[4096];
    size_t length = 0;

    for (;;) {
        ssize_t n = read(STDIN_FILENO, buffer + length, sizeof(buffer) - 1 - length);
        char *line = buffer, *end;

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return fail("stdin");
        if (n == 0)
            return 0;
        length += n;
        buffer[length] = 0;
        while ((end = strchr(line, '\n'))) {
            *end = 0;
            if (end == line + UUID_TEXT + 2 && line[UUID_TEXT] == ' ') {
                line[UUID_TEXT] = 0;
                if (has_uuid_form(line))
                    set_line(line, line[UUID_TEXT + 1] == '1');
            }
            line = end + 1;
        }
        length -= line - buffer;
        memmove(buffer, line, length);
        if (length == sizeof(buffer) - 1)
            length = 0; /* no line of ours */
    }
}

/* Each maker has an instruction of its own for it, and the other's is an invalid one. */
static bool has_vmmcall(void)
{
    unsigned int eax, ebx, ecx, edx;

    return __get_cpuid(0, &eax, &ebx, &ecx, &edx) && (ebx == signature_AMD_ebx || ebx == HYGON_EBX);
}

/* The shadow hypervisor blocks this CPU in the call until it has something to say. */
static long ask(uint8_t uuid[16], bool *level)
{
    long result = (long)ULTRACALL;
    uint64_t wanted, first, second;

    if (has_vmmcall())
        asm volatile("vmmcall" : "+a"(result), "=d"(wanted), "=S"(first), "=D"(second) : : "memory");
    else
        asm volatile("vmcall" : "+a"(result), "=d"(wanted), "=S"(first), "=D"(second) : : "memory");
    memcpy(uuid, &first, 8);
    memcpy(uuid + 8, &second, 8);
    *level = wanted & 1;
    return result;
}

/* The last CPU is for this program; the others for everybody. */
static bool pin(void)
{
    int cpus = sysconf(_SC_NPROCESSORS_ONLN);
    cpu_set_t set;

    if (cpus < 2) {
        fprintf(stderr, "irq-server: ultracalls need a second CPU\n");
        return false;
    }
    CPU_ZERO(&set);
    CPU_SET(cpus - 1, &set);
    if (!sched_setaffinity(0, sizeof(set), &set))
        return true;
    fail("sched_setaffinity");
    return false;
}

static int serve_ultracall(void)
{
    struct pollfd input = { .fd = STDIN_FILENO, .events = POLLIN };

    /* It is always in a call: whatever comes from stdin, its end above all, ends it by SIGIO. */
    if (fcntl(STDIN_FILENO, F_SETOWN, getpid()) < 0 ||
        fcntl(STDIN_FILENO, F_SETFL, fcntl(STDIN_FILENO, F_GETFL) | O_ASYNC) < 0)
        return fail("stdin");
    if (poll(&input, 1, 0) != 0)
        return 0;

    for (;;) {
        uint8_t id[16];
        char uuid[UUID_TEXT + 1];
        bool level;
        unsigned int i, n = 0;

        /* Whom it has woken on this CPU comes first: the call would not let him. */
        sched_yield();
        if (ask(id, &level) != 0) {
            fprintf(stderr, "irq-server: the hypervisor below does not take ultracalls\n");
            return 1;
        }
        for (i = 0; i < 16; i++)
            n += sprintf(uuid + n, i == 4 || i == 6 || i == 8 || i == 10 ? "-%02x" : "%02x", id[i]);
        set_line(uuid, level);
    }
}

int main(int argc, char **argv)
{
    bool ultracall = argc == 3 && !strcmp(argv[1], "ultracall");
    bool xen = argc == 3 && !strcmp(argv[2], "xen");

    if (argc != 3 || (!ultracall && strcmp(argv[1], "net")) || (!xen && strcmp(argv[2], "kvm"))) {
        fprintf(stderr, "usage: irq-server ultracall|net kvm|xen\n");
        return 2;
    }
    if (xen && (privcmd = open("/dev/xen/privcmd", O_RDWR | O_CLOEXEC)) < 0)
        return fail("/dev/xen/privcmd");
    apply = xen ? apply_by_dm_op : apply_by_monitor;
    if (ultracall && !pin())
        return 1;
    puts("ready");
    fflush(stdout);
    return ultracall ? serve_ultracall() : serve_net();
}
