/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * One end of a user VM's console in the layer that emulates it: plays a script at the UNIX socket or the pty that QEMU has for
 * the VM's serial port, with that layer's clock. `vsbypass bench` brings it there at run time, linked statically, so it needs
 * nothing of the layer.
 *
 * probe PATH; stdin is the script, one step a line:
 *   send HEX          types these bytes
 *   expect MS HEX     waits for these bytes in what came after the match before it
 *   pause US          takes in what comes meanwhile
 * stdout: `step START END BYTES` for each step, nanoseconds, BYTES of output consumed (up to and with the match of an
 * `expect`; its END is when the last byte of the match came). Then `output N` and the N bytes that came in all.
 * A step that is late ends the script with `late MS` in place of its line. Exit codes: 0 ok, 1 late, 2 usage, 3 socket or pty.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#define OUTPUT_MAX (16u << 20)

/* What came, and when each piece of it did. */
static uint8_t output[OUTPUT_MAX];
static size_t length, consumed;
static struct arrival {
    size_t end;
    int64_t ns;
} *arrivals;
static size_t nr_arrivals, room;

static int fd = -1;

static void fail(int code, const char *what)
{
    fprintf(stderr, "probe: %s%s%s\n", what, errno ? ": " : "", errno ? strerror(errno) : "");
    exit(code);
}

static int64_t now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
}

static void take(void)
{
    ssize_t n = read(fd, output + length, OUTPUT_MAX - length);

    if ( n < 0 && (errno == EAGAIN || errno == EINTR) )
        return;
    if ( n <= 0 )
        fail(3, length == OUTPUT_MAX ? "too much output" : "the console was closed");
    if ( nr_arrivals == room )
    {
        room = room ? room * 2 : 4096;
        arrivals = realloc(arrivals, room * sizeof(*arrivals));
        if ( !arrivals )
            fail(3, "no memory");
    }
    length += n;
    arrivals[nr_arrivals++] = (struct arrival){ length, now() };
}

/* One wait for the socket. Whoever asked for all this may have gone: then nobody else could have the console. */
static short wait_once(short events, int64_t left)
{
    struct pollfd p[] = { { fd, events, 0 }, { STDOUT_FILENO, 0, 0 } };
    struct timespec t = { left / 1000000000, left % 1000000000 };

    if ( ppoll(p, 2, &t, NULL) < 0 && errno != EINTR )
        fail(3, "poll");
    if ( p[1].revents & (POLLERR | POLLHUP) )
        exit(3);
    return p[0].revents;
}

/* Takes in output until the deadline, or until the socket takes input. True: it does. */
static bool wait_until(int64_t deadline, bool writable)
{
    for ( ; ; )
    {
        int64_t left = deadline - now();
        short ready;

        if ( left <= 0 )
            return false;
        ready = wait_once(POLLIN | (writable ? POLLOUT : 0), left);
        if ( ready & (POLLIN | POLLHUP | POLLERR) )
            take();
        if ( ready & POLLOUT )
            return true;
    }
}

static void type(const uint8_t *bytes, size_t n)
{
    while ( n )
    {
        ssize_t sent = write(fd, bytes, n);

        if ( sent < 0 && errno != EAGAIN && errno != EINTR )
            fail(3, "write");
        if ( sent > 0 )
        {
            bytes += sent;
            n -= sent;
        }
        else if ( !wait_until(now() + INT64_C(600000000000), true) )
            fail(3, "the VM takes no input");
    }
}

/* When the byte before this position came. */
static int64_t arrival_of(size_t end)
{
    size_t low = 0, high = nr_arrivals;

    while ( low < high )
    {
        size_t middle = (low + high) / 2;

        if ( arrivals[middle].end < end )
            low = middle + 1;
        else
            high = middle;
    }
    return arrivals[low].ns;
}

/* Waits for the bytes. When their last one came; 0: they did not. */
static int64_t expect(const uint8_t *bytes, size_t n, int64_t deadline)
{
    size_t from = consumed;

    for ( ; ; )
    {
        const uint8_t *match = memmem(output + from, length - from, bytes, n);
        int64_t left = deadline - now();

        if ( match )
        {
            consumed = match - output + n;
            return arrival_of(consumed);
        }
        if ( left <= 0 )
            return 0;
        if ( length - from >= n )
            from = length - n + 1;
        if ( wait_once(POLLIN, left) )
            take();
    }
}

static int digit(char c)
{
    const char *digits = "0123456789abcdef", *p = c ? strchr(digits, c) : NULL;

    return p ? p - digits : -1;
}

/* Decodes in place. */
static size_t unhex(char *text, uint8_t *bytes)
{
    size_t n = 0;

    for ( ; text[2 * n]; n++ )
    {
        int high = digit(text[2 * n]), low = digit(text[2 * n + 1]);

        if ( high < 0 || low < 0 )
            fail(2, "bad bytes");
        bytes[n] = high << 4 | low;
    }
    if ( !n )
        fail(2, "no bytes");
    return n;
}

static int open_socket(const char *path)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    int s = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);

    if ( strlen(path) >= sizeof(address.sun_path) )
        fail(2, "the path is too long");
    strcpy(address.sun_path, path);
    if ( s < 0 || connect(s, (struct sockaddr *)&address, sizeof(address)) )
        fail(3, path);
    return s;
}

/* QEMU looks once a second whether its pty is open (chardev/char-pty.c), and drops what the VM prints before. */
static int open_pty(const char *path)
{
    struct termios raw;
    int s = open(path, O_RDWR | O_NOCTTY | O_NONBLOCK);

    if ( s < 0 || tcgetattr(s, &raw) )
        fail(3, path);
    cfmakeraw(&raw);
    if ( tcsetattr(s, TCSANOW, &raw) )
        fail(3, path);
    return s;
}

static int open_console(const char *path)
{
    struct stat kind;

    if ( stat(path, &kind) )
        fail(3, path);
    return S_ISCHR(kind.st_mode) ? open_pty(path) : open_socket(path);
}

int main(int argc, char **argv)
{
    char *line = NULL;
    size_t size = 0;
    int code = 0;

    if ( argc != 2 )
        fail(2, "usage: probe PATH");
    signal(SIGPIPE, SIG_IGN);
    fd = open_console(argv[1]);
    while ( !code && getline(&line, &size, stdin) > 0 )
    {
        char *argument = strchr(line, ' '), *bytes;
        int64_t start = now(), end;
        size_t before = consumed;
        unsigned long value;

        line[strcspn(line, "\n")] = 0;
        if ( !argument++ )
            fail(2, "bad step");
        if ( !strncmp(line, "send ", 5) )
        {
            size_t n = unhex(argument, (uint8_t *)argument);

            start = now();
            type((uint8_t *)argument, n);
            end = now();
        }
        else if ( !strncmp(line, "pause ", 6) )
        {
            wait_until(start + strtoul(argument, NULL, 10) * INT64_C(1000), false);
            end = now();
        }
        else if ( !strncmp(line, "expect ", 7) )
        {
            value = strtoul(argument, &bytes, 10);
            if ( *bytes++ != ' ' )
                fail(2, "bad step");
            end = expect((uint8_t *)bytes, unhex(bytes, (uint8_t *)bytes), start + value * INT64_C(1000000));
            if ( !end )
            {
                printf("late %lu\n", value);
                code = 1;
                continue;
            }
        }
        else
            fail(2, "bad step");
        printf("step %" PRId64 " %" PRId64 " %zu\n", start, end, consumed - before);
    }
    printf("output %zu\n", length);
    fwrite(output, 1, length, stdout);
    return fflush(stdout) ? 3 : code;
}
