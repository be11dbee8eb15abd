/*
 * Bytes go to and come from memory of any kind, and memory that cannot be used is an error that
 * takes no byte.
 */
#define SUITE "user_memory"
#include "tests/behaviour/tcp_support.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { SIZE = 40000, WHOLE = 65536 };

/* A mapping of a file of SIZE bytes, longer than the file is. */
static unsigned char *map_file(int protection)
{
    char path[] = "/tmp/aio-test-XXXXXX";
    int fd = mkostemp(path, O_CLOEXEC);
    if (!AIO_CHECK(fd >= 0) || !AIO_CHECK_EQ(ftruncate(fd, SIZE), 0))
        return NULL;
    unlink(path);
    void *memory = mmap(NULL, WHOLE, protection, MAP_SHARED, fd, 0);
    close(fd);
    return AIO_CHECK(memory != MAP_FAILED) ? memory : NULL;
}

static void send_from(struct tcp_pair *pair, const void *bytes, size_t size)
{
    struct tcp_call call = {
        .kind = TCP_WRITE_ALL, .object = pair->near, .buffer = (void *)(uintptr_t)bytes, size};
    unsigned char *got = malloc(size);
    REQUIRE(got != NULL && tcp_call_start(&call));
    AIO_CHECK_EQ(aio_stream_read_exact(pair->far, got, size, NULL), (ssize_t)size);
    AIO_CHECK_EQ(tcp_call_join(&call), (ssize_t)size);
    AIO_CHECK(memcmp(got, bytes, size) == 0);
    free(got);
}

/* Constants, static memory, the task's stack, a mapped file; copied and not. */
BEHAVIOUR(sent_from)
{
    static const char constant[] = "from read-only memory";
    static unsigned char fixed[SIZE];
    unsigned char stack[1000], *mapped = map_file(PROT_READ | PROT_WRITE);
    struct tcp_pair pair;
    REQUIRE(mapped != NULL && tcp_pair_open(&pair));
    test_pattern_fill(fixed, SIZE, 1);
    test_pattern_fill(stack, sizeof stack, 2);
    test_pattern_fill(mapped, SIZE, 3);
    for (size_t zerocopy = 0; zerocopy < 2; zerocopy++) {
        aio_stream_zerocopy(pair.near, zerocopy);
        send_from(&pair, constant, sizeof constant);
        send_from(&pair, fixed, SIZE);
        send_from(&pair, stack, sizeof stack);
        send_from(&pair, mapped, SIZE);
    }
    AIO_CHECK_EQ(munmap(mapped, WHOLE), 0);
    tcp_pair_close(&pair);
}

/* One receive into static memory, the stack and a mapped file. */
BEHAVIOUR(received_into)
{
    static unsigned char fixed[3000], bytes[6000];
    unsigned char stack[1000], *mapped = map_file(PROT_READ | PROT_WRITE);
    struct tcp_pair pair;
    REQUIRE(mapped != NULL && tcp_pair_open(&pair));
    struct iovec vectors[] = {{mapped, 2000}, {fixed, sizeof fixed}, {stack, sizeof stack}};
    test_pattern_fill(bytes, sizeof bytes, 0);
    for (int i = 0; i < 3; i++) {
        AIO_CHECK_EQ(aio_stream_write_all(pair.near, bytes, sizeof bytes, NULL), sizeof bytes);
        size_t got = 0;
        while (got < sizeof bytes) { /* faults make receives short: what is left goes anywhere */
            ssize_t n = got == 0 ? aio_stream_readv(pair.far, vectors, 3)
                                 : aio_stream_read(pair.far, bytes + got, sizeof bytes - got);
            REQUIRE(n > 0);
            got += (size_t)n;
            if (got == sizeof bytes && (size_t)n == got) {
                AIO_CHECK(test_pattern_check(mapped, 2000, 0));
                AIO_CHECK(test_pattern_check(fixed, sizeof fixed, 2000));
                AIO_CHECK(test_pattern_check(stack, sizeof stack, 5000));
            }
        }
    }
    AIO_CHECK_EQ(munmap(mapped, WHOLE), 0);
    tcp_pair_close(&pair);
}

/* Neither a signal nor a lost byte: memory that may not be written or read, that is not there, and
 * that a file has grown too short for. */
BEHAVIOUR(cannot_be_used)
{
    struct tcp_pair pair;
    char byte[3] = "";
    if (test_on_valgrind()) {
        aio_test_skip("Valgrind reports such memory itself");
        return;
    }
    unsigned char *constant = map_file(PROT_READ), *hidden = map_file(PROT_NONE);
    REQUIRE(constant != NULL && hidden != NULL && tcp_pair_open(&pair));
    unsigned char *const targets[] = {constant, hidden, constant + WHOLE - 4096};
    unsigned char *const sources[] = {hidden, constant + WHOLE - 4096};
    AIO_CHECK_EQ(aio_stream_write_all(pair.near, "abc", 3, NULL), 3);
    for (size_t i = 0; i < 3; i++)
        AIO_CHECK_ERROR(aio_stream_read(pair.far, targets[i], 3), -EFAULT);
    AIO_CHECK_EQ(aio_stream_read_exact(pair.far, byte, 3, NULL), 3);
    AIO_CHECK(memcmp(byte, "abc", 3) == 0);
    for (size_t i = 0; i < 4; i++) {
        aio_stream_zerocopy(pair.near, i / 2);
        AIO_CHECK_ERROR(aio_stream_write(pair.near, sources[i % 2], 100), -EFAULT);
    }
    AIO_CHECK_OK(aio_stream_shutdown(pair.near, AIO_STREAM_WRITE));
    AIO_CHECK_EQ(aio_stream_read(pair.far, byte, 3), 0);
    AIO_CHECK_EQ(munmap(constant, WHOLE) + munmap(hidden, WHOLE), 0);
    tcp_pair_close(&pair);
}
