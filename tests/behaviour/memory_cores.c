/*
 * Memory that a core is short of while others send it work, until somebody else gives some back.
 */
#define SUITE "memory_cores"
#include "tests/behaviour/cores_tools.h"

#include <stdlib.h>

enum { MANY = 300 }; /* more than the stacks that are mapped at once */

static atomic_bool exhausted; /* on the second core */
static _Atomic(pthread_t) second;
static atomic_int refusals;
static atomic_int begun;

static void *scarce_resize(void *unused, void *block, size_t old_bytes, size_t new_bytes)
{
    (void)unused;
    if (new_bytes > old_bytes && atomic_load(&exhausted) &&
        pthread_equal(atomic_load(&second), pthread_self())) {
        atomic_fetch_add(&refusals, 1);
        return NULL;
    }
    if (new_bytes > 0)
        return realloc(block, new_bytes);
    free(block);
    return NULL;
}

static int begin_and_sleep(void *unused)
{
    atomic_fetch_add(&begun, 1);
    return cores_serve(unused);
}

static int note_second(void *unused)
{
    (void)unused;
    atomic_store(&second, pthread_self());
    return 0;
}

static int send_many(void *unused)
{
    if (aio_core_index() != 0)
        return cores_serve(unused);
    AIO_CHECK_OK(aio_core_call(1, note_second, NULL, NULL));
    atomic_store(&exhausted, true);
    for (int i = 0; i < MANY; i++)
        AIO_CHECK_OK(aio_core_spawn(1, begin_and_sleep, NULL, NULL));
    AIO_CHECK(cores_wait(&refusals, 1));
    AIO_CHECK_ERROR(aio_core_call(1, note_second, NULL, NULL), -ENOMEM); /* all has arrived */
    int before = refusals;
    int64_t start = aio_time_now();
    AIO_CHECK_OK(aio_time_sleep(AIO_MS(30))); /* it has nothing else to do, and sleeps */
    AIO_CHECK(begun < MANY);
    int tries = refusals - before;
    AIO_CHECK(tries < 40 + (aio_time_now() - start) / AIO_MS(1)); /* nor does it spin */
    atomic_store(&exhausted, false);
    AIO_CHECK(cores_wait(&begun, MANY));
    return aio_runtime_stop(aio_runtime_current(), 0);
}

/* What was accepted starts when there is memory again, although nothing happens on that core; and
 * until then nobody takes it for a deadlock. */
BEHAVIOUR_OUTSIDE(accepted_tasks_wait_for_it)
{
    struct aio_runtime_options options = cores_options(2);
    options.allocator = (struct aio_allocator){scarce_resize, NULL};
    exhausted = false;
    refusals = begun = 0;
    AIO_CHECK_OK(aio_runtime_run(&options, send_many, NULL));
    AIO_CHECK_EQ(begun, MANY);
}
