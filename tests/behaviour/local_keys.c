/*
 * Keys of task-locals: made at run time, by several threads at once, more of them than there can
 * be.
 */
#define SUITE "local_keys"
#include "tests/behaviour/task_tools.h"

#include <aio/local.h>
#include <errno.h>
#include <pthread.h>

enum { THREADS = 3, KEYS = 40 };

static struct aio_local_key shared[KEYS];
static pthread_barrier_t all_here; /* all runtimes are open: at once they come to the keys */

static int set_all(void *unused)
{
    int values[KEYS];
    (void)unused;
    pthread_barrier_wait(&all_here);
    for (int i = 0; i < KEYS; i++) {
        AIO_CHECK_OK(aio_local_set(&shared[i], &values[i]));
        AIO_CHECK_OK(aio_task_yield());
    }
    for (int i = 0; i < KEYS; i++)
        AIO_CHECK(aio_local_get(&shared[i]) == &values[i]);
    return 0;
}

static void *run_set_all(void *result)
{
    *(int *)result = test_run(set_all, NULL);
    return NULL;
}

/* Runtimes of several threads meet the same new keys: each key gets one number, no two the same. */
BEHAVIOUR_OUTSIDE(new_to_all_threads)
{
    pthread_t threads[THREADS];
    int results[THREADS];
    REQUIRE(pthread_barrier_init(&all_here, NULL, THREADS) == 0);
    for (int i = 0; i < KEYS; i++)
        shared[i] = (struct aio_local_key)AIO_LOCAL_KEY_INIT(NULL);
    for (int i = 0; i < THREADS; i++)
        REQUIRE(pthread_create(&threads[i], NULL, run_set_all, &results[i]) == 0);
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        AIO_CHECK_EQ(results[i], 0);
    }
    pthread_barrier_destroy(&all_here);
}

static void count_up(void *count)
{
    ++*(int *)count;
}

static int set_too_many(void *keys_of)
{
    struct aio_local_key *keys = keys_of;
    static int count;
    int rc = 0, used = 0;
    for (int i = 0; i <= AIO_LOCAL_KEYS_MAX && rc == 0; i++) {
        keys[i] = (struct aio_local_key)AIO_LOCAL_KEY_INIT(count_up);
        rc = aio_local_set(&keys[i], &count);
        used += rc == 0;
    }
    AIO_CHECK_ERROR(rc, -EAGAIN);
    AIO_CHECK(aio_local_get(&keys[used]) == NULL);
    AIO_CHECK(aio_local_get(&keys[used - 1]) == &count);
    AIO_CHECK_OK(aio_local_set(&keys[0], NULL)); /* the others work on */
    return used;
}

static int use_them_up(void *unused)
{
    static struct aio_local_key keys[AIO_LOCAL_KEYS_MAX + 1];
    (void)unused;
    int used = test_run(set_too_many, keys);
    return used > AIO_LOCAL_KEYS_MAX / 2 && used <= AIO_LOCAL_KEYS_MAX ? 0 : 1;
}

/* One key too many is refused. In a process of its own, as keys are for ever. */
BEHAVIOUR_OUTSIDE(too_many)
{
    struct child child;
    REQUIRE(child_run(&child, use_them_up, NULL));
    child_exited(&child, 0);
}
