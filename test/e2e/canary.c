// SPDX-License-Identifier: MIT
/*
 * Looks for processor state that leaks between the domains of a hypervisor and between a hypervisor and its guest.
 *
 *   canary hold SECONDS     keeps known values in the registers that a process has, debug registers among them, and is
 *                           put off the processor again and again
 *   canary check SECONDS    runs a guest of its own under /dev/kvm, whose registers have other known values. The guest
 *                           compares them, and so does this process through KVM, which reads them from the processor
 *
 * `check` prints a line for each register that held something else, then how often it looked. Exit codes: 0 all as
 * expected, 1 something else was seen, 2 usage, 3 no KVM.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/kvm.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <asm/prctl.h>
#include <time.h>
#include <unistd.h>

/* Where breakpoints of `hold` are: nothing is there. The bits from 32 on tell its values from all others. */
#define CANARY 0x5ca1ab1e0000ull
#define CHECKED 0x1f00d5a00000ull

static void fail(const char *what) {
  fprintf(stderr, "canary: %s: %s\n", what, strerror(errno));
  exit(3);
}

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* Fills XMM0-15 with the bytes at values (256 of them), goes round the loop, and reads them back to seen. */
void vectors(const uint64_t *values, uint64_t *seen, uint64_t rounds);
asm(".text\n.globl vectors\nvectors:\n"
#define LOAD(n) "movups " #n "*16(%rdi), %xmm" #n "\n"
#define STORE(n) "movups %xmm" #n ", " #n "*16(%rsi)\n"
#define ALL(what) what(0) what(1) what(2) what(3) what(4) what(5) what(6) what(7) what(8) what(9) what(10) what(11) \
    what(12) what(13) what(14) what(15)
    ALL(LOAD) "1: dec %rdx\njnz 1b\n" ALL(STORE) "ret\n");

/* The process whose registers are known: on and off the processor. */
static void spin_as_canary(void) {
  uint64_t values[32], seen[32];
  for (int i = 0; i < 32; i++) values[i] = CANARY + 0x8000 + (uint64_t)i;
  if (ptrace(PTRACE_TRACEME) != 0 || syscall(SYS_arch_prctl, ARCH_SET_GS, CANARY + 0x6000) != 0) fail("registers");
  raise(SIGSTOP);
  for (;;) {
    struct timespec pause = {.tv_nsec = 200000};
    vectors(values, seen, 1000000);
    nanosleep(&pause, NULL);
  }
}

static int hold(double seconds) {
  double end = now() + seconds;
  pid_t child = fork();
  if (child < 0) fail("fork");
  if (child == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    spin_as_canary();
  }
  if (waitpid(child, NULL, 0) != child) fail("waitpid");
  for (unsigned long i = 0; i < 4; i++)
    if (ptrace(PTRACE_POKEUSER, child, offsetof(struct user, u_debugreg) + 8 * i, CANARY + 0x1000 * (i + 1)) != 0)
      fail("DR0-3");
  /* Each enabled, for writes of eight bytes. */
  if (ptrace(PTRACE_POKEUSER, child, offsetof(struct user, u_debugreg) + 8 * 7, 0x99990055) != 0) fail("DR7");
  if (ptrace(PTRACE_CONT, child, 0, 0) != 0) fail("cont");
  puts("holding");
  fflush(stdout);
  while (now() < end) {
    struct timespec pause = {.tv_nsec = 100000000};
    if (waitpid(child, NULL, WNOHANG) != 0) fail("the process with known registers ended");
    nanosleep(&pause, NULL);
  }
  kill(child, SIGKILL);
  waitpid(child, NULL, 0);
  return 0;
}

/* The guest: 2 MiB, mapped as one page. */
#define MEMORY 0x200000
#define CODE 0x10000
#define EXPECTED 0x8000 /* what it loads, and what it shall find */
#define SEEN 0x9000
#define PORT_ROUND 0x10
#define PORT_OTHER 0x11

enum register_number {
  DR0, DR1, DR2, DR3, DR6, DR7, CR2, TR, LDTR,
  SYSENTER_CS, SYSENTER_ESP, SYSENTER_EIP, STAR, LSTAR, CSTAR, SFMASK, FS_BASE, GS_BASE, KERNEL_GS_BASE,
  DEBUGCTL, BRANCH_FROM, BRANCH_TO, INTERRUPT_FROM, INTERRUPT_TO,
  XMM, /* two for each */
  COUNT = XMM + 32
};

struct known {
  const char *name;
  uint64_t value;
  uint32_t msr;
};

static const struct known known[XMM] = {
    [DR0] = {"DR0", CHECKED + 0x1000, 0},
    [DR1] = {"DR1", CHECKED + 0x2000, 0},
    [DR2] = {"DR2", CHECKED + 0x3000, 0},
    [DR3] = {"DR3", CHECKED + 0x4000, 0},
    [DR6] = {"DR6", 0xffff0ff0, 0},
    [DR7] = {"DR7", 0x400, 0},
    [CR2] = {"CR2", CHECKED + 0x5000, 0},
    [TR] = {"TR", 0x28, 0},
    [LDTR] = {"LDTR", 0x38, 0},
    [SYSENTER_CS] = {"SYSENTER_CS", 0xd5a8, 0x174},
    [SYSENTER_ESP] = {"SYSENTER_ESP", 0x5a006000, 0x175},
    [SYSENTER_EIP] = {"SYSENTER_EIP", 0x5a007000, 0x176},
    [STAR] = {"STAR", 0x0023001000005a08, 0xc0000081},
    [LSTAR] = {"LSTAR", CHECKED + 0x9000, 0xc0000082},
    [CSTAR] = {"CSTAR", CHECKED + 0xa000, 0xc0000083},
    [SFMASK] = {"SFMASK", 0x5a700, 0xc0000084},
    [FS_BASE] = {"FS.base", CHECKED + 0xb000, 0xc0000100},
    [GS_BASE] = {"GS.base", CHECKED + 0xc000, 0xc0000101},
    [KERNEL_GS_BASE] = {"KernelGSBase", CHECKED + 0xd000, 0xc0000102},
    [DEBUGCTL] = {"DEBUGCTL", 0, 0x1d9},
    [BRANCH_FROM] = {"LastBranchFromIP", 0, 0x1db},
    [BRANCH_TO] = {"LastBranchToIP", 0, 0x1dc},
    [INTERRUPT_FROM] = {"LastIntFromIP", 0, 0x1dd},
    [INTERRUPT_TO] = {"LastIntToIP", 0, 0x1de},
};

/* RBX: the registers found; R15: how long a round is. Nothing here is relocated. */
extern const uint8_t guest_code[], guest_code_end[];
asm(".section .rodata\nguest_code:\n"
#define READ(register, index) "mov %" register ", %rax\nmov %rax, 8*" #index "(%rbx)\n"
#define SELECTOR(instruction, index) "xor %eax, %eax\n" instruction " %eax\nmov %rax, 8*" #index "(%rbx)\n"
#define MSR(number, index) \
  "mov $" #number ", %ecx\nrdmsr\nshl $32, %rdx\nor %rdx, %rax\nmov %rax, 8*" #index "(%rbx)\n"
#define GUEST_LOAD(n) "movups 8*24+" #n "*16+0x8000, %xmm" #n "\n"
#define GUEST_STORE(n) "movups %xmm" #n ", 8*24+" #n "*16(%rbx)\n"
    ALL(GUEST_LOAD)
    "again:\n"
    READ("dr0", 0) READ("dr1", 1) READ("dr2", 2) READ("dr3", 3) READ("dr6", 4) READ("dr7", 5) READ("cr2", 6)
    SELECTOR("str", 7) SELECTOR("sldt", 8)
    MSR(0x174, 9) MSR(0x175, 10) MSR(0x176, 11) MSR(0xc0000081, 12) MSR(0xc0000082, 13) MSR(0xc0000083, 14)
    MSR(0xc0000084, 15) MSR(0xc0000100, 16) MSR(0xc0000101, 17) MSR(0xc0000102, 18)
    MSR(0x1d9, 19) MSR(0x1db, 20) MSR(0x1dc, 21) MSR(0x1dd, 22) MSR(0x1de, 23)
    ALL(GUEST_STORE)
    "mov $0x8000, %esi\nmov %ebx, %edi\nmov $56, %ecx\ncld\nrepe cmpsq\n"
    "je 1f\nout %al, $0x11\njmp again\n"
    /* Without an access to any of them, for as long as it takes to be put off the processor. */
    "1: mov %r15, %rcx\n2: dec %rcx\njnz 2b\n"
    "out %al, $0x10\njmp again\n"
    "guest_code_end:\n.text\n");
_Static_assert(XMM == 24 && COUNT == 56, "as in the guest's code");

static unsigned long differences, rounds;

/* Who: the guest, L2 through KVM, or this process. Each register is told of a few times only. */
static void compare(const char *who, const char *name, uint64_t expected, uint64_t seen) {
  if (expected == seen) return;
  if (differences++ < 40)
    printf("%s: %s is %#" PRIx64 ", not %#" PRIx64 "%s\n", who, name, seen, expected,
           seen >> 16 == CANARY >> 16 ? ": another domain's" : "");
}

static void create(int *vcpu, uint8_t **memory, struct kvm_run **run, uint64_t length) {
  int kvm = open("/dev/kvm", O_RDWR), vm, size;
  if (kvm < 0 || (vm = ioctl(kvm, KVM_CREATE_VM, 0)) < 0) fail("/dev/kvm");
  *memory = mmap(NULL, MEMORY, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  struct kvm_userspace_memory_region region = {.memory_size = MEMORY, .userspace_addr = (uintptr_t)*memory};
  if (*memory == MAP_FAILED || ioctl(vm, KVM_SET_USER_MEMORY_REGION, &region) != 0) fail("memory");
  if ((*vcpu = ioctl(vm, KVM_CREATE_VCPU, 0)) < 0 || (size = ioctl(kvm, KVM_GET_VCPU_MMAP_SIZE, 0)) < 0) fail("vCPU");
  *run = mmap(NULL, (size_t)size, PROT_READ | PROT_WRITE, MAP_SHARED, *vcpu, 0);
  if (*run == MAP_FAILED) fail("vCPU");

  struct kvm_cpuid2 *cpuid = calloc(1, sizeof(*cpuid) + 200 * sizeof(struct kvm_cpuid_entry2));
  cpuid->nent = 200;
  if (ioctl(kvm, KVM_GET_SUPPORTED_CPUID, cpuid) != 0 || ioctl(*vcpu, KVM_SET_CPUID2, cpuid) != 0) fail("CPUID");
  free(cpuid);

  /* Long mode, paging with one page of 2 MiB. */
  uint64_t *tables = (uint64_t *)*memory;
  tables[0x1000 / 8] = 0x2003;
  tables[0x2000 / 8] = 0x3003;
  tables[0x3000 / 8] = 0x83;
  memcpy(*memory + CODE, guest_code, (size_t)(guest_code_end - guest_code));
  uint64_t *expected = (uint64_t *)(*memory + EXPECTED);
  for (int i = 0; i < XMM; i++) expected[i] = known[i].value;
  for (int i = XMM; i < COUNT; i++) expected[i] = CHECKED + 0x80000 + (uint64_t)i;

  struct kvm_sregs sregs;
  if (ioctl(*vcpu, KVM_GET_SREGS, &sregs) != 0) fail("registers");
  struct kvm_segment data = {.limit = 0xffffffff, .selector = 0x10, .type = 3, .present = 1, .s = 1, .db = 1, .g = 1};
  struct kvm_segment code = data;
  code.selector = 8, code.type = 11, code.l = 1, code.db = 0;
  sregs.cs = code;
  sregs.ds = sregs.es = sregs.ss = sregs.fs = sregs.gs = data;
  sregs.fs.base = known[FS_BASE].value, sregs.gs.base = known[GS_BASE].value;
  sregs.tr.selector = 0x28, sregs.tr.base = CHECKED + 0xe000, sregs.tr.type = 11, sregs.tr.limit = 0x67;
  sregs.tr.present = 1, sregs.tr.s = 0, sregs.tr.unusable = 0, sregs.tr.db = 0, sregs.tr.g = 0;
  sregs.ldt.selector = 0x38, sregs.ldt.base = CHECKED + 0xf000, sregs.ldt.type = 2, sregs.ldt.limit = 0xf;
  sregs.ldt.present = 1, sregs.ldt.s = 0, sregs.ldt.unusable = 0;
  sregs.cr0 = 0x80000011, sregs.cr2 = known[CR2].value, sregs.cr3 = 0x1000, sregs.cr4 = 0x220, sregs.efer = 0x500;
  struct kvm_regs regs = {.rip = CODE, .rbx = SEEN, .r15 = length, .rflags = 2};
  struct kvm_debugregs debug = {.dr6 = known[DR6].value, .dr7 = known[DR7].value};
  for (int i = 0; i < 4; i++) debug.db[i] = known[DR0 + i].value;
  if (ioctl(*vcpu, KVM_SET_SREGS, &sregs) != 0 || ioctl(*vcpu, KVM_SET_REGS, &regs) != 0 ||
      ioctl(*vcpu, KVM_SET_DEBUGREGS, &debug) != 0)
    fail("registers");

  for (int i = SYSENTER_CS; i <= KERNEL_GS_BASE; i++) {
    struct {
      struct kvm_msrs head;
      struct kvm_msr_entry entry;
    } one = {.head.nmsrs = 1, .entry = {.index = known[i].msr, .data = known[i].value}};
    if (ioctl(*vcpu, KVM_SET_MSRS, &one) != 1) {
      fprintf(stderr, "canary: KVM does not take %s\n", known[i].name);
      exit(3);
    }
  }
}

/* What KVM has read back from the processor. */
static void check_debug_registers(int vcpu) {
  struct kvm_debugregs debug;
  if (ioctl(vcpu, KVM_GET_DEBUGREGS, &debug) != 0) fail("debug registers");
  for (int i = 0; i < 4; i++) compare("KVM", known[DR0 + i].name, known[DR0 + i].value, debug.db[i]);
  compare("KVM", "DR6", known[DR6].value, debug.dr6);
  compare("KVM", "DR7", known[DR7].value, debug.dr7);
}

static void check_own_vectors(void) {
  static uint64_t values[32], seen[32];
  for (int i = 0; i < 32; i++) values[i] = CHECKED + 0x90000 + (uint64_t)i;
  vectors(values, seen, 300000);
  for (int i = 0; i < 32; i++) compare("process", "a vector register", values[i], seen[i]);
}

static int check(double seconds) {
  double end = now() + seconds;
  uint8_t *memory;
  struct kvm_run *run;
  int vcpu;
  create(&vcpu, &memory, &run, 3000000);
  const uint64_t *seen = (const uint64_t *)(memory + SEEN), *expected = (const uint64_t *)(memory + EXPECTED);

  while (now() < end) {
    if (ioctl(vcpu, KVM_RUN, 0) != 0) {
      if (errno == EINTR) continue;
      fail("KVM_RUN");
    }
    if (run->exit_reason != KVM_EXIT_IO) {
      struct kvm_regs regs;
      ioctl(vcpu, KVM_GET_REGS, &regs);
      printf("the guest ended: exit %u at %#llx\n", run->exit_reason, (unsigned long long)regs.rip);
      return 1;
    }
    check_debug_registers(vcpu);
    check_own_vectors();
    if (run->io.port == PORT_ROUND) {
      rounds++;
      continue;
    }
    for (int i = 0; i < COUNT; i++)
      compare("guest", i < XMM ? known[i].name : "a vector register", expected[i], seen[i]);
  }
  printf("%lu rounds, %lu differences\n", rounds, differences);
  return differences > 0 || rounds == 0;
}

int main(int argc, char **argv) {
  double seconds = argc == 3 ? atof(argv[2]) : 0;
  if (seconds > 0 && strcmp(argv[1], "hold") == 0) return hold(seconds);
  if (seconds > 0 && strcmp(argv[1], "check") == 0) return check(seconds);
  fputs("usage: canary hold|check SECONDS\n", stderr);
  return 2;
}
