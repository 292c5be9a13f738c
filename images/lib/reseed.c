/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * reseed: credits what comes on standard input (at most 64 bytes, believed to be random) to the kernel
 * and makes it draw new random numbers from it at once (random(4), RNDADDENTROPY and RNDRESEEDCRNG).
 * For a machine that was resumed from a saved state: its random numbers would be those of every other
 * one from the same state. Without a C library: it runs in every layer.
 */
#include <asm/unistd.h>
#include <linux/fcntl.h>
#include <linux/random.h>

static long call(long number, long a, long b, long c)
{
    long result;

    asm volatile ( "syscall" : "=a" (result)
                   : "0" (number), "D" (a), "S" (b), "d" (c) : "rcx", "r11", "memory" );
    return result;
}

static struct {
    int bits;
    int bytes;
    unsigned char data[64];
} pool;

static int reseed(void)
{
    long got, device;

    while ( pool.bytes < (int)sizeof(pool.data) )
    {
        got = call(__NR_read, 0, (long)(pool.data + pool.bytes), (long)sizeof(pool.data) - pool.bytes);
        if ( got < 0 )
            return 1;
        if ( got == 0 )
            break;
        pool.bytes += (int)got;
    }
    if ( pool.bytes == 0 )
        return 1;
    pool.bits = pool.bytes * 8;
    device = call(__NR_open, (long)"/dev/urandom", O_WRONLY, 0);
    if ( device < 0 )
        return 1;
    return call(__NR_ioctl, device, RNDADDENTROPY, (long)&pool) < 0 ||
           call(__NR_ioctl, device, RNDRESEEDCRNG, 0) < 0;
}

void _start(void)
{
    call(__NR_exit, reseed(), 0, 0);
    __builtin_unreachable();
}
