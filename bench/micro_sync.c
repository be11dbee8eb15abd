/* What do locks cost? Nanoseconds of taking and giving back what nobody else wants, beside glibc's
 * mutex, and of handing over to a task that waits.
 *
 * Each measure is the best of REPEATS loops, which leaves out what interrupted the others, and is
 * printed as a JSON line. --quick makes the loops short, to prove that everything runs. */
#include <aio/aio.h>
#include <aio/sync.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { REPEATS = 9 };

static long loops = 1000000;

static struct aio_mutex mutex = AIO_MUTEX_INIT;
static struct aio_rwlock rwlock = AIO_RWLOCK_INIT;
static struct aio_semaphore semaphore = AIO_SEMAPHORE_INIT(3);
static struct aio_notify ping = AIO_NOTIFY_INIT;
static struct aio_notify pong = AIO_NOTIFY_INIT;
static pthread_mutex_t peer = PTHREAD_MUTEX_INITIALIZER;

static void check(int rc, const char *what)
{
    if (rc < 0)
        exit(aio_error_exit(rc, what));
}

/* Nanoseconds per operation; body returns how many it did. */
static void measure(const char *name, long (*body)(void))
{
    double best = 0;

    for (int i = 0; i < REPEATS; i++) {
        int64_t begin = aio_time_now();
        long count = body();
        double ns = (double)(aio_time_now() - begin) / (double)count;

        if (i == 0 || ns < best)
            best = ns;
    }
    printf("{\"name\": \"%s\", \"ns\": %.2f}\n", name, best);
    fflush(stdout);
}

static long lock_pthread(void)
{
    for (long i = 0; i < loops; i++) {
        (void)pthread_mutex_lock(&peer);
        (void)pthread_mutex_unlock(&peer);
    }
    return loops;
}

static long lock_mutex(void)
{
    for (long i = 0; i < loops; i++) {
        check(aio_mutex_lock(&mutex), "lock");
        aio_mutex_unlock(&mutex);
    }
    return loops;
}

static long lock_read(void)
{
    for (long i = 0; i < loops; i++) {
        check(aio_rwlock_read(&rwlock), "read");
        aio_rwlock_unlock(&rwlock);
    }
    return loops;
}

static long lock_write(void)
{
    for (long i = 0; i < loops; i++) {
        check(aio_rwlock_write(&rwlock), "write");
        aio_rwlock_unlock(&rwlock);
    }
    return loops;
}

static long take_permits(void)
{
    for (long i = 0; i < loops; i++) {
        check(aio_semaphore_acquire(&semaphore, 2), "acquire");
        aio_semaphore_release(&semaphore, 2);
    }
    return loops;
}

/* The mutex has changed hands at every lock: the other task waits whenever one unlocks. */
static int lock_often(void *argument)
{
    long count = *(long *)argument;

    for (long i = 0; i < count; i++) {
        check(aio_mutex_lock(&mutex), "lock");
        check(aio_task_yield(), "yield");
        aio_mutex_unlock(&mutex);
    }
    return 0;
}

static long run_two(int (*fn)(void *argument), int (*other)(void *argument))
{
    struct aio_task *tasks[2];
    long each = loops / 10;

    check(aio_task_spawn(&tasks[0], fn, &each, NULL), "spawn");
    check(aio_task_spawn(&tasks[1], other, &each, NULL), "spawn");
    for (int i = 0; i < 2; i++)
        check(aio_task_join(tasks[i], NULL), "join");
    return 2 * each;
}

static long hand_over(void)
{
    return run_two(lock_often, lock_often);
}

static int ping_often(void *argument)
{
    long count = *(long *)argument;

    for (long i = 0; i < count; i++) {
        aio_notify_one(&ping);
        check(aio_notify_wait(&pong), "wait");
    }
    return 0;
}

static int pong_often(void *argument)
{
    long count = *(long *)argument;

    for (long i = 0; i < count; i++) {
        check(aio_notify_wait(&ping), "wait");
        aio_notify_one(&pong);
    }
    return 0;
}

static long wake_each_other(void)
{
    return run_two(ping_often, pong_often);
}

AIO_MAIN(argc, argv)
{
    if (argc > 1 && strcmp(argv[1], "--quick") == 0)
        loops = 2000;
    measure("mutex_pthread", lock_pthread);
    measure("mutex", lock_mutex);
    measure("rwlock_read", lock_read);
    measure("rwlock_write", lock_write);
    measure("semaphore", take_permits);
    measure("mutex_handover", hand_over);
    measure("notify_oneway", wake_each_other);
    return 0;
}
