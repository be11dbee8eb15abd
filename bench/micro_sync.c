/* What do locks cost? Nanoseconds of taking and giving back what nobody else wants, beside glibc's
 * mutex, and of handing over to a task that waits.
 *
 * Each measure is a JSON line; bench/lib/measure.h has the arguments. */
#include "bench/lib/measure.h"

#include <aio/aio.h>
#include <aio/sync.h>
#include <pthread.h>

static struct aio_mutex mutex = AIO_MUTEX_INIT;
static struct aio_rwlock rwlock = AIO_RWLOCK_INIT;
static struct aio_semaphore semaphore = AIO_SEMAPHORE_INIT(3);
static struct aio_notify ping = AIO_NOTIFY_INIT;
static struct aio_notify pong = AIO_NOTIFY_INIT;
static pthread_mutex_t peer = PTHREAD_MUTEX_INITIALIZER;

static long lock_pthread(long loops)
{
    for (long i = 0; i < loops; i++) {
        (void)pthread_mutex_lock(&peer);
        (void)pthread_mutex_unlock(&peer);
    }
    return loops;
}

static long lock_mutex(long loops)
{
    for (long i = 0; i < loops; i++) {
        measure_check(aio_mutex_lock(&mutex), "lock");
        aio_mutex_unlock(&mutex);
    }
    return loops;
}

static long lock_read(long loops)
{
    for (long i = 0; i < loops; i++) {
        measure_check(aio_rwlock_read(&rwlock), "read");
        aio_rwlock_unlock(&rwlock);
    }
    return loops;
}

static long lock_write(long loops)
{
    for (long i = 0; i < loops; i++) {
        measure_check(aio_rwlock_write(&rwlock), "write");
        aio_rwlock_unlock(&rwlock);
    }
    return loops;
}

static long take_permits(long loops)
{
    for (long i = 0; i < loops; i++) {
        measure_check(aio_semaphore_acquire(&semaphore, 2), "acquire");
        aio_semaphore_release(&semaphore, 2);
    }
    return loops;
}

/* The mutex has changed hands at every lock: the other task waits whenever one unlocks. */
static int lock_often(void *argument)
{
    long count = *(long *)argument;

    for (long i = 0; i < count; i++) {
        measure_check(aio_mutex_lock(&mutex), "lock");
        measure_check(aio_task_yield(), "yield");
        aio_mutex_unlock(&mutex);
    }
    return 0;
}

static long run_two(long loops, int (*fn)(void *argument), int (*other)(void *argument))
{
    struct aio_task *tasks[2];
    long each = loops / 2;

    measure_check(aio_task_spawn(&tasks[0], fn, &each, NULL), "spawn");
    measure_check(aio_task_spawn(&tasks[1], other, &each, NULL), "spawn");
    for (int i = 0; i < 2; i++)
        measure_check(aio_task_join(tasks[i], NULL), "join");
    return 2 * each;
}

static long hand_over(long loops)
{
    return run_two(loops, lock_often, lock_often);
}

static int ping_often(void *argument)
{
    long count = *(long *)argument;

    for (long i = 0; i < count; i++) {
        aio_notify_one(&ping);
        measure_check(aio_notify_wait(&pong), "wait");
    }
    return 0;
}

static int pong_often(void *argument)
{
    long count = *(long *)argument;

    for (long i = 0; i < count; i++) {
        measure_check(aio_notify_wait(&ping), "wait");
        aio_notify_one(&pong);
    }
    return 0;
}

static long wake_each_other(long loops)
{
    return run_two(loops, ping_often, pong_often);
}

AIO_MAIN(argc, argv)
{
    measure_begin(argc, argv);
    measure_print("mutex_pthread", lock_pthread);
    measure_print("mutex", lock_mutex);
    measure_print("rwlock_read", lock_read);
    measure_print("rwlock_write", lock_write);
    measure_print("semaphore", take_permits);
    measure_print("mutex_handover", hand_over);
    measure_print("notify_oneway", wake_each_other);
    return 0;
}
