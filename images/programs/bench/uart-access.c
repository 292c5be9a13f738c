// SPDX-License-Identifier: GPL-2.0-only
// uart-access COUNT: prints the nanoseconds that one access to the serial port takes, as a program in the user VM sees it.
// Each TIOCMGET reads the modem status register once (Linux 8250_port.c, serial8250_do_get_mctrl); user space has no other
// way, since Debian's kernel has no /dev/port and QEMU's TCG refuses I/O permission maps of a nested guest. What the call by
// itself takes is that of TIOCGWINSZ, which goes the same way to the terminal and not to the port. Without a C library, so
// that it is small enough to be typed at the console.

#define SYS_WRITE 1
#define SYS_OPEN 2
#define SYS_IOCTL 16
#define SYS_EXIT 60
#define SYS_CLOCK_GETTIME 228
#define CLOCK_MONOTONIC 1
#define O_NOCTTY_NONBLOCK 04402
#define TIOCGWINSZ 0x5413
#define TIOCMGET 0x5415

static long call(long number, long a, long b, long c)
{
    long result;

    __asm__ volatile ( "syscall" : "=a" (result)
                       : "a" (number), "D" (a), "S" (b), "d" (c) : "rcx", "r11", "memory" );
    return result;
}

static long nanoseconds(void)
{
    long now[2];

    call(SYS_CLOCK_GETTIME, CLOCK_MONOTONIC, (long)now, 0);
    return now[0] * 1000000000 + now[1];
}

// Each of that many calls.
static long took(long fd, long request, long count)
{
    long result, i, start = nanoseconds();

    for ( i = 0; i < count; i++ )
        call(SYS_IOCTL, fd, request, (long)&result);

    return (nanoseconds() - start) / count;
}

void run(char **stack)
{
    char digits[24], *p = stack[2];
    long count = 0, i, fd = call(SYS_OPEN, (long)"/dev/ttyS0", O_NOCTTY_NONBLOCK, 0);

    while ( *p )
        count = count * 10 + *p++ - '0';

    i = took(fd, TIOCMGET, count) - took(fd, TIOCGWINSZ, count);
    if ( i < 0 )
        i = 0;

    p = digits + sizeof(digits);
    *--p = '\n';
    do
        *--p = '0' + i % 10;
    while ( i /= 10 );
    call(SYS_WRITE, 1, (long)p, digits + sizeof(digits) - p);
    call(SYS_EXIT, fd < 0, 0, 0);
}

__asm__ ( ".globl _start\n_start: mov %rsp, %rdi\n and $-16, %rsp\n call run\n" );
