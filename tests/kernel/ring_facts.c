/*
 * ring_facts prints what this kernel's io_uring offers, by asking the kernel alone.
 *
 * It shares no code with the library on purpose: beside the library's own account of the same
 * kernel (AIO_LOG=info) it shows whether a missing feature is the kernel's doing or a mistake in
 * the probe. Constants newer than the build machine's headers are given as numbers.
 */
#include <errno.h>
#include <linux/io_uring.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

struct named_bit {
    const char *name;
    unsigned bit;
};

static const struct named_bit setup_flags[] = {
    {"CQSIZE", 1u << 3},         {"CLAMP", 1u << 4},        {"R_DISABLED", 1u << 6},
    {"SUBMIT_ALL", 1u << 7},     {"COOP_TASKRUN", 1u << 8}, {"SINGLE_ISSUER", 1u << 12},
    {"DEFER_TASKRUN", 1u << 13}, {"NO_MMAP", 1u << 14},     {"NO_SQARRAY", 1u << 16},
};

static const struct named_bit features[] = {
    {"NODROP", 1u << 1},         {"FAST_POLL", 1u << 5},     {"EXT_ARG", 1u << 8},
    {"NATIVE_WORKERS", 1u << 9}, {"RSRC_TAGS", 1u << 10},    {"CQE_SKIP", 1u << 11},
    {"LINKED_FILE", 1u << 12},   {"REG_REG_RING", 1u << 13}, {"RECVSEND_BUNDLE", 1u << 14},
    {"MIN_TIMEOUT", 1u << 15},   {"NO_IOWAIT", 1u << 17},
};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static int ring_open(unsigned flags, struct io_uring_params *params)
{
    memset(params, 0, sizeof *params);
    params->flags = flags;
    /* CQSIZE needs a size, DEFER_TASKRUN needs SINGLE_ISSUER. */
    if (flags & (1u << 3))
        params->cq_entries = 64;
    if (flags & (1u << 13))
        params->flags |= 1u << 12;
    return (int)syscall(__NR_io_uring_setup, 8, params);
}

static void print_flags(void)
{
    struct io_uring_params params;
    printf("ring setup flags:");
    for (size_t i = 0; i < COUNT(setup_flags); i++) {
        int fd = ring_open(setup_flags[i].bit, &params);
        /* NO_MMAP without memory of one's own is refused with EFAULT where it is known. */
        if (fd >= 0 || errno == EFAULT)
            printf(" %s", setup_flags[i].name);
        if (fd >= 0)
            close(fd);
    }
    printf("\n");
}

static void print_features(unsigned word)
{
    printf("ring features:    0x%x", word);
    for (size_t i = 0; i < COUNT(features); i++) {
        if (word & features[i].bit)
            printf(" %s", features[i].name);
    }
    printf("\n");
}

static void print_opcodes(int fd)
{
    struct io_uring_probe *probe = calloc(1, sizeof *probe + 256 * sizeof probe->ops[0]);
    if (probe == NULL)
        return;
    if (syscall(__NR_io_uring_register, fd, IORING_REGISTER_PROBE, probe, 256) == 0) {
        int known = 0;
        for (int i = 0; i <= probe->last_op; i++)
            known += (probe->ops[i].flags & IO_URING_OP_SUPPORTED) != 0;
        printf("ring opcodes:     %d known, the last is number %d\n", known, probe->last_op);
    }
    free(probe);
}

int main(void)
{
    struct io_uring_params params;
    int fd = ring_open(0, &params);
    if (fd < 0) {
        printf("io_uring_setup:   %s\n", strerror(errno));
        return 0;
    }
    print_features(params.features);
    print_flags();
    print_opcodes(fd);
    close(fd);
    return 0;
}
