/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The search of `vsbypass verify`, run as root in an untrusted layer: looks for needles in files and in the memory of
 * processes. Brought there at run time, linked statically, so it needs nothing of the layer.
 *
 * stdin is the job, one directive a line:
 *   needle ID STEP HEX      bytes ^ 0xa5 in hex (the job itself must not be a hit); STEP 2: any byte after each of them
 *   skip PATH               `tree` and `mounts` stay out of there
 *   channel NAME            what follows counts for NAME
 *   file PATH               a file or block device
 *   tree PATH               all files of that file system from there on
 *   mounts                  the same for every writable file system with storage (rootfs, tmpfs, ext4, ...)
 *   disks                   all block devices but RAM disks, loop devices and read-only ones
 *   memory PID without|only SIZE   mappings of a process of another, or of just that size in bytes
 *   domain ID PAGES         the memory of a domain, guest pages 0 to PAGES - 1 (dom0 of Xen)
 *   processes PID           the memory of all processes but PID, this one and its parents
 * stdout, tab separated: `hit CHANNEL ID PLACE OFFSET` (the first few of each channel and needle) and, for each channel,
 * `channel NAME BYTES UNREAD MILLISECONDS ID=COUNT...`. UNREAD: bytes that could not be read.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define MASK 0xa5
#define NEEDLES 64    /* one bit each in the tables */
#define NEEDLE_MAX 256 /* bytes that a needle may span */
#define CHUNK (1u << 20)
#define SHOWN 3 /* places told of each needle and channel */
#define SKIPS 8

static struct needle {
    int id;
    unsigned int step, len, span;
    uint8_t bytes[NEEDLE_MAX];
    uint64_t hits;
} needles[NEEDLES];
static unsigned int nr_needles, longest = 1;

/* Which needles have that byte at offset 0, 1, 2 from where they begin. */
static uint64_t at[3][256];

static char channel[64], *skips[SKIPS];
static unsigned int nr_skips;
static uint64_t searched, unread;
static struct timespec began;
/* What the last chunk left that may be the beginning of a hit comes before the next one. */
static uint8_t buffer[NEEDLE_MAX + CHUNK + NEEDLE_MAX];

static void *owned(void *p)
{
    if ( !p )
    {
        perror("search");
        exit(1);
    }
    return p;
}

static void add_needle(int id, unsigned int step, const char *hex)
{
    struct needle *n = &needles[nr_needles];
    unsigned int i, k, len = strlen(hex) / 2;

    if ( nr_needles == NEEDLES || step < 1 || step > 2 || len < 3 || (len - 1) * step + 1 > NEEDLE_MAX )
    {
        fprintf(stderr, "search: bad needle %d\n", id);
        exit(2);
    }
    *n = (struct needle){ .id = id, .step = step, .len = len, .span = (len - 1) * step + 1 };
    for ( i = 0; i < len; i++ )
    {
        unsigned int byte;

        sscanf(hex + 2 * i, "%2x", &byte);
        n->bytes[i] = byte ^ MASK;
    }
    for ( k = 0; k < 3; k++ )
        for ( i = 0; i < 256; i++ )
            if ( k % step || n->bytes[k / step] == i )
                at[k][i] |= 1ull << nr_needles;
    if ( n->span > longest )
        longest = n->span;
    nr_needles++;
}

static bool matches(const struct needle *n, const uint8_t *p)
{
    for ( unsigned int i = 0; i < n->len; i++ )
        if ( p[i * n->step] != n->bytes[i] )
            return false;
    return true;
}

/* Looks at every place of the `len` bytes where a needle may begin; whole tells whether nothing follows. */
static void look(const uint8_t *data, size_t len, bool whole, const char *place, uint64_t offset)
{
    size_t i = 0, end = whole ? len : len - (longest - 1);

    while ( i < end )
    {
        uint64_t word, found;

        /* Memory is zeros for the most part. */
        memcpy(&word, data + i, sizeof(word));
        if ( !word && !(at[0][0]) )
        {
            i += sizeof(word);
            continue;
        }
        for ( size_t stop = i + sizeof(word) < end ? i + sizeof(word) : end; i < stop; i++ )
        {
            found = at[0][data[i]] & at[1][data[i + 1]] & at[2][data[i + 2]];
            for ( ; found; found &= found - 1 )
            {
                struct needle *n = &needles[__builtin_ctzll(found)];

                if ( i + n->span > len || !matches(n, data + i) )
                    continue;
                if ( n->hits++ < SHOWN )
                    printf("hit\t%s\t%d\t%s\t%" PRIu64 "\n", channel, n->id, place, offset + i);
            }
        }
    }
}

/* Searches [from, to) of a file; with `holes` what cannot be read there is left out (memory), else it is the end. */
static void search_range(int fd, const char *place, uint64_t from, uint64_t to, bool holes)
{
    size_t kept = 0;

    while ( from < to )
    {
        size_t want = to - from < CHUNK ? to - from : CHUNK;
        ssize_t got = pread(fd, buffer + kept, want, from);

        if ( got <= 0 )
        {
            if ( !holes )
                break;
            look(buffer, kept, true, place, from - kept);
            kept = 0;
            want = want < 4096 ? want : 4096;
            unread += want;
            from += want;
            continue;
        }
        searched += got;
        from += got;
        kept += got;
        memset(buffer + kept, 0, NEEDLE_MAX);
        if ( kept < longest )
            continue;
        look(buffer, kept, false, place, from - kept);
        memmove(buffer, buffer + kept - (longest - 1), longest - 1);
        kept = longest - 1;
    }
    memset(buffer + kept, 0, NEEDLE_MAX);
    look(buffer, kept, true, place, from - kept);
}

static void search_file(const char *path)
{
    int fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);

    if ( fd < 0 )
        return;
    search_range(fd, path, 0, UINT64_MAX, false);
    close(fd);
}

static int visit(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)ftw;
    for ( unsigned int i = 0; i < nr_skips; i++ )
        if ( !strcmp(path, skips[i]) )
            return FTW_SKIP_SUBTREE;
    if ( type == FTW_F && S_ISREG(st->st_mode) )
        search_file(path);
    return FTW_CONTINUE;
}

static void search_tree(const char *path)
{
    nftw(path, visit, 32, FTW_PHYS | FTW_MOUNT | FTW_ACTIONRETVAL);
}

static void search_mounts(void)
{
    static const char *const types[] = { "rootfs", "ramfs", "tmpfs", "ext2", "ext3", "ext4", "xfs", "btrfs", "vfat" };
    char dir[1024], type[64], options[256];
    FILE *mounts = owned(fopen("/proc/mounts", "r"));

    while ( fscanf(mounts, "%*s %1023s %63s %255s %*d %*d", dir, type, options) == 3 )
        for ( unsigned int i = 0; i < sizeof(types) / sizeof(*types); i++ )
            if ( !strcmp(type, types[i]) && strncmp(options, "ro", 2) )
                search_tree(dir);
    fclose(mounts);
}

static bool is_read_only(const char *name)
{
    char path[300], value = '1';
    int fd;

    snprintf(path, sizeof(path), "/sys/block/%s/ro", name);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if ( fd >= 0 )
    {
        if ( read(fd, &value, 1) != 1 )
            value = '1';
        close(fd);
    }
    return value == '1';
}

static void search_disks(void)
{
    DIR *dir = opendir("/sys/block");
    struct dirent *entry;

    while ( dir && (entry = readdir(dir)) )
    {
        char path[300];

        if ( *entry->d_name == '.' || !strncmp(entry->d_name, "ram", 3) || !strncmp(entry->d_name, "loop", 4) ||
             is_read_only(entry->d_name) )
            continue;
        snprintf(path, sizeof(path), "/dev/%s", entry->d_name);
        search_file(path);
    }
    if ( dir )
        closedir(dir);
}

/* only: mappings of `size` bytes, else all others. size 0: all. */
static void search_memory(int pid, bool only, uint64_t size)
{
    char path[64], line[1024];
    FILE *maps;
    int fd;

    snprintf(path, sizeof(path), "/proc/%d/mem", pid);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    snprintf(path, sizeof(path), "/proc/%d/maps", pid);
    maps = fopen(path, "r");
    while ( fd >= 0 && maps && fgets(line, sizeof(line), maps) )
    {
        uint64_t from, to;
        char mode[5], place[160], name[96] = "";

        if ( sscanf(line, "%" SCNx64 "-%" SCNx64 " %4s %*s %*s %*s %95[^\n]", &from, &to, mode, name) < 3 ||
             mode[0] != 'r' || !strcmp(name, "[vvar]") || !strcmp(name, "[vsyscall]") ||
             (size && (to - from == size) != only) )
            continue;
        snprintf(place, sizeof(place), "process %d %s", pid, *name ? name : "anonymous");
        search_range(fd, place, from, to, true);
    }
    if ( maps )
        fclose(maps);
    if ( fd >= 0 )
        close(fd);
}

/* Xen's private command device (Linux, include/uapi/xen/privcmd.h): maps pages of another domain. */
struct mmapbatch {
    unsigned int num;
    uint16_t dom;
    uint64_t addr;
    const unsigned long *pages;
    int *err;
};
#define IOCTL_PRIVCMD_MMAPBATCH_V2 _IOC(_IOC_NONE, 'P', 4, sizeof(struct mmapbatch))

static void search_domain(unsigned int id, uint64_t pages)
{
    enum { PAGE = 4096, BATCH = CHUNK / PAGE };
    int fd = open("/dev/xen/privcmd", O_RDWR | O_CLOEXEC);
    char place[32];

    snprintf(place, sizeof(place), "domain %u", id);
    for ( uint64_t first = 0; fd >= 0 && first < pages; first += BATCH )
    {
        unsigned int i, n = pages - first < BATCH ? pages - first : BATCH;
        unsigned long page[BATCH];
        int err[BATCH] = { 0 };
        uint8_t *map = mmap(NULL, CHUNK, PROT_READ, MAP_SHARED, fd, 0);
        struct mmapbatch batch = { .num = n, .dom = id, .addr = (uintptr_t)map, .pages = page, .err = err };

        if ( map == MAP_FAILED )
            break;
        for ( i = 0; i < n; i++ )
            page[i] = first + i;
        /* Holes are reported one by one, and read as zeros here: what lies beside one is not joined. */
        if ( ioctl(fd, IOCTL_PRIVCMD_MMAPBATCH_V2, &batch) && errno != ENOENT )
            memset(err, 0xff, sizeof(err));
        memset(buffer, 0, sizeof(buffer));
        for ( i = 0; i < n; i++ )
        {
            *(err[i] ? &unread : &searched) += PAGE;
            if ( !err[i] )
                memcpy(buffer + i * PAGE, map + i * PAGE, PAGE);
        }
        look(buffer, (size_t)n * PAGE, true, place, first * PAGE);
        munmap(map, CHUNK);
    }
    if ( fd >= 0 )
        close(fd);
}

static int parent_of(int pid)
{
    char path[64];
    int parent = 0;
    FILE *stat;

    snprintf(path, sizeof(path), "/proc/%d/stat", pid);
    stat = fopen(path, "r");
    if ( !stat )
        return 0;
    if ( fscanf(stat, "%*d (%*[^)]) %*c %d", &parent) != 1 )
        parent = 0;
    fclose(stat);
    return parent;
}

/* The shells and the SSH session that this program runs under know of the job only what is masked; they are left out for speed. */
static bool is_ancestor(int pid)
{
    for ( int p = getpid(); p > 1; p = parent_of(p) )
        if ( p == pid )
            return true;
    return false;
}

static void search_processes(int but)
{
    DIR *dir = owned(opendir("/proc"));
    struct dirent *entry;

    while ( (entry = readdir(dir)) )
    {
        int pid = atoi(entry->d_name);

        if ( pid > 0 && pid != but && !is_ancestor(pid) )
            search_memory(pid, false, 0);
    }
    closedir(dir);
}

static void end_channel(void)
{
    struct timespec now;

    if ( !*channel )
        return;
    clock_gettime(CLOCK_MONOTONIC, &now);
    printf("channel\t%s\t%" PRIu64 "\t%" PRIu64 "\t%lld", channel, searched, unread,
           (now.tv_sec - began.tv_sec) * 1000ll + (now.tv_nsec - began.tv_nsec) / 1000000);
    for ( unsigned int i = 0; i < nr_needles; i++ )
    {
        if ( needles[i].hits )
            printf("\t%d=%" PRIu64, needles[i].id, needles[i].hits);
        needles[i].hits = 0;
    }
    putchar('\n');
    searched = unread = 0;
    *channel = '\0';
}

int main(void)
{
    char line[2048], word[1200], how[16];
    unsigned int step;
    uint64_t size;
    int id, pid;

    while ( fgets(line, sizeof(line), stdin) )
    {
        line[strcspn(line, "\n")] = '\0';
        if ( sscanf(line, "needle %d %u %1199s", &id, &step, word) == 3 )
            add_needle(id, step, word);
        else if ( sscanf(line, "channel %63s", word) == 1 )
        {
            end_channel();
            strcpy(channel, word);
            clock_gettime(CLOCK_MONOTONIC, &began);
        }
        else if ( !strncmp(line, "skip ", 5) && nr_skips < SKIPS )
            skips[nr_skips++] = owned(strdup(line + 5));
        else if ( !strncmp(line, "file ", 5) )
            search_file(line + 5);
        else if ( !strncmp(line, "tree ", 5) )
            search_tree(line + 5);
        else if ( !strcmp(line, "mounts") )
            search_mounts();
        else if ( !strcmp(line, "disks") )
            search_disks();
        else if ( sscanf(line, "domain %d %" SCNu64, &id, &size) == 2 )
            search_domain(id, size);
        else if ( sscanf(line, "processes %d", &pid) == 1 )
            search_processes(pid);
        else if ( sscanf(line, "memory %d %15s %" SCNu64, &pid, how, &size) == 3 )
            search_memory(pid, !strcmp(how, "only"), size);
        else if ( *line )
        {
            fprintf(stderr, "search: what is \"%s\"?\n", line);
            return 2;
        }
    }
    end_channel();
    return 0;
}
