/*
 * Checksums: CRC32C (Castagnoli), eight bytes at a time by tables. Reading and computing is work
 * for the offload pool, in pieces, so that an interruption does not wait for a large file.
 */
#include "examples/backup/backup.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#define POLYNOMIAL 0x82f63b78u /* bits reversed */
#define PIECE_BYTES (8 << 20)
#define BUFFER_BYTES 65536

struct sum {
    int at;
    const char *path;
    int fd; /* -1: not open */
    uint32_t crc;
    bool ended;
};

static uint32_t tables[8][256];

static void make_tables(void)
{
    for (uint32_t i = 0; i < 256; i++) {
        uint32_t crc = i;
        for (int bit = 0; bit < 8; bit++)
            crc = (crc >> 1) ^ ((crc & 1) != 0 ? POLYNOMIAL : 0);
        tables[0][i] = crc;
    }
    for (uint32_t i = 0; i < 256; i++)
        for (int t = 1; t < 8; t++)
            tables[t][i] = (tables[t - 1][i] >> 8) ^ tables[0][tables[t - 1][i] & 255];
}

static uint32_t add_bytes(uint32_t crc, const unsigned char *bytes, size_t size)
{
    for (; size >= 8; bytes += 8, size -= 8) {
        uint32_t low = crc ^ ((uint32_t)bytes[0] | (uint32_t)bytes[1] << 8 |
                              (uint32_t)bytes[2] << 16 | (uint32_t)bytes[3] << 24);
        crc = tables[7][low & 255] ^ tables[6][(low >> 8) & 255] ^ tables[5][(low >> 16) & 255] ^
              tables[4][low >> 24] ^ tables[3][bytes[4]] ^ tables[2][bytes[5]] ^
              tables[1][bytes[6]] ^ tables[0][bytes[7]];
    }
    for (; size > 0; bytes++, size--)
        crc = (crc >> 8) ^ tables[0][(crc ^ *bytes) & 255];
    return crc;
}

/* On a thread of the pool. Returns 0 or -errno. */
static int sum_piece(void *arg)
{
    struct sum *sum = arg;
    unsigned char buffer[BUFFER_BYTES];
    if (sum->fd < 0) /* if it is a FIFO by now, nobody waits for its writer */
        sum->fd = openat(sum->at, sum->path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (sum->fd < 0)
        return -errno;
    for (size_t done = 0; done < PIECE_BYTES && !sum->ended;) {
        ssize_t n = read(sum->fd, buffer, sizeof buffer);
        if (n < 0)
            return -errno;
        sum->crc = add_bytes(sum->crc, buffer, (size_t)n);
        sum->ended = n == 0;
        done += (size_t)n;
    }
    return 0;
}

static int sum_both(void *arg)
{
    struct sum *sums = arg;
    int rc = sum_piece(&sums[0]);
    return rc < 0 ? rc : sum_piece(&sums[1]);
}

int verify_same(int a_at, const char *a, int b_at, const char *b)
{
    struct sum sums[2] = {{a_at, a, -1, ~0u, false}, {b_at, b, -1, ~0u, false}};
    int rc = 0, result = 0;
    if (tables[0][1] == 0)
        make_tables();
    while (rc == 0 && result == 0 && !(sums[0].ended && sums[1].ended))
        rc = aio_offload_call(sum_both, sums, &result);
    for (int i = 0; i < 2; i++)
        if (sums[i].fd >= 0)
            (void)close(sums[i].fd);
    if (rc < 0 || result < 0)
        return rc < 0 ? rc : result;
    return sums[0].crc == sums[1].crc ? 0 : -EILSEQ;
}
