/*
 * Memory that is short, at places at random: a context or a handshake then fails with an error, and
 * the next one is as good as ever.
 */
#define SUITE "tls_memory"
#include "tests/tls/support.h"

#include <openssl/crypto.h>
#include <stdatomic.h>
#include <stdlib.h>

enum { NEVER = -1, CREATING = 800, SHAKING = 3000 };

static atomic_long allocations_left = NEVER; /* until one fails */

static bool fails_now(void)
{
    return atomic_load(&allocations_left) >= 0 && atomic_fetch_sub(&allocations_left, 1) == 0;
}

static void *give(size_t size, const char *file, int line)
{
    (void)file;
    (void)line;
    return fails_now() ? NULL : malloc(size);
}

static void *resize(void *block, size_t size, const char *file, int line)
{
    (void)file;
    (void)line;
    return fails_now() ? NULL : realloc(block, size);
}

static void take(void *block, const char *file, int line)
{
    (void)file;
    (void)line;
    free(block);
}

/* OpenSSL takes these before its first allocation only. */
__attribute__((constructor)) static void memory_enter(void)
{
    (void)CRYPTO_set_mem_functions(give, resize, take);
}

/* Makes both contexts and shakes hands, with a failure after so many allocations, of the contexts
 * or of the handshake. */
static void try_with_failure(long count, bool shaking)
{
    struct tls_pair pair = {.limit_ns =
                                AIO_MS(20)}; /* an end may never hear of the other's trouble */
    struct aio_tls_options client = tls_client_options(), server = tls_server_options("server");
    atomic_store(&allocations_left, shaking ? NEVER : count);
    int rc = aio_tls_create(&pair.client_context, &client);
    if (rc == 0)
        rc = aio_tls_create(&pair.server_context, &server);
    atomic_store(&allocations_left, shaking ? count : NEVER);
    AIO_CHECK(rc <= 0 && (rc == 0 || !shaking));
    if (rc == 0)
        (void)tls_pair_shake(&pair, "server.test");
    atomic_store(&allocations_left, NEVER);
    AIO_CHECK(pair.client_result <= 0 && pair.server_result <= 0);
    tls_pair_close(&pair);
}

static void try_with_enough(void)
{
    struct tls_pair pair;
    if (tls_pair_open(&pair))
        AIO_CHECK(tls_pair_exchange(&pair));
    tls_pair_close(&pair);
}

/* What OpenSSL makes once in a process it does not try to make again: that is there at first. */
BEHAVIOUR(runs_short)
{
    try_with_enough();
    for (int i = 0; i < 20; i++) {
        try_with_failure((long)(test_random() % CREATING), false);
        try_with_failure((long)(test_random() % SHAKING), true);
    }
    try_with_enough();
}
