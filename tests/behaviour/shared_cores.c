/*
 * Shared channels among the cores of one runtime, and what they mean for its deadlocks.
 */
#define SUITE "shared_cores"
#include "tests/behaviour/cores_tools.h"
#include "tests/behaviour/deadlock_tools.h"

#include <aio/shared.h>
#include <time.h>

enum { CORES = 3, EACH = UNDER_TSAN ? 300 : 3000 };

struct message {
    uint32_t sender;
    int number;
};

static struct aio_shared_channel *channel;
static atomic_int senders_left, received, disordered;

static int send_each(void *unused)
{
    struct message message = {.sender = aio_core_index()};
    (void)unused;
    for (; message.number < EACH; message.number++)
        if (!AIO_CHECK_OK(aio_shared_send(channel, &message)))
            break;
    if (atomic_fetch_sub(&senders_left, 1) == 1)
        aio_shared_close(channel);
    return 0;
}

static int receive_all(void *unused)
{
    struct message message;
    int next[CORES] = {0}, rc;
    (void)unused;
    while ((rc = aio_shared_receive(channel, &message)) == 1) {
        if (message.number < next[message.sender])
            atomic_fetch_add(&disordered, 1);
        next[message.sender] = message.number + 1;
        atomic_fetch_add(&received, 1);
    }
    return rc;
}

/* A sender and a receiver on every core. */
static int send_and_receive(void *unused)
{
    int result = -1;
    (void)unused;
    struct aio_task *sender = task_named("sender", send_each, NULL);
    struct aio_task *receiver = task_named("receiver", receive_all, NULL);
    AIO_CHECK_OK(aio_task_join(sender, NULL));
    AIO_CHECK_OK(aio_task_join(receiver, &result));
    return result;
}

static void check_messages(size_t capacity)
{
    REQUIRE_OK(aio_shared_open(&channel, sizeof(struct message), capacity));
    senders_left = CORES;
    received = disordered = 0;
    AIO_CHECK_OK(cores_run(CORES, send_and_receive, NULL));
    aio_shared_release(channel);
    AIO_CHECK_EQ(received, CORES * EACH);
    AIO_CHECK_EQ(disordered, 0);
}

/* Each message arrives once, those of a sender in their order. */
BEHAVIOUR_OUTSIDE(between_all_cores)
{
    check_messages(64);
    check_messages(1);
    check_messages(0);
}

static int receive_one(void *unused)
{
    int item = 0;
    (void)unused;
    AIO_CHECK_EQ(aio_shared_receive(channel, &item), 1);
    return item == 5 ? 0 : -1;
}

static void *send_later(void *unused)
{
    const struct timespec pause = {.tv_nsec = 5000000};
    int item = 5;
    nanosleep(&pause, NULL); /* tidy: allow nanosleep: all cores fall asleep meanwhile */
    for (int i = 0; i < CORES; i++)
        AIO_CHECK_OK(aio_shared_send(channel, &item));
    return unused;
}

/* Every core waits for an item that a thread may send: that is no deadlock. */
BEHAVIOUR_OUTSIDE(a_thread_may_send)
{
    pthread_t thread;
    REQUIRE_OK(aio_shared_open(&channel, sizeof(int), 0));
    REQUIRE(thread_start(&thread, send_later, NULL));
    AIO_CHECK_OK(cores_run(CORES, receive_one, NULL));
    thread_join(thread);
    aio_shared_release(channel);
}

static int receive_after_another(void *unused)
{
    struct aio_shared_channel *others[3];
    for (int i = 0; i < 3; i++)
        if (aio_shared_open(&others[i], sizeof(int), 0) < 0)
            return -1;
    for (int i = 0; i < 3; i++)
        aio_shared_release(others[i]);
    return receive_one(unused);
}

/* Nor is it one when there were more channels, while one is left. */
BEHAVIOUR_OUTSIDE(a_thread_may_send_by_the_last_channel)
{
    pthread_t thread;
    REQUIRE_OK(aio_shared_open(&channel, sizeof(int), 0));
    REQUIRE(thread_start(&thread, send_later, NULL));
    AIO_CHECK_OK(cores_run(CORES, receive_after_another, NULL));
    thread_join(thread);
    aio_shared_release(channel);
}

static int sleep_without_channel(void *unused)
{
    struct aio_shared_channel *own;
    if (aio_shared_open(&own, sizeof(int), 1) < 0)
        return 2;
    aio_shared_release(own);
    return deadlock_sleep(unused);
}

/* When the channel is gone nobody can wake them. */
BEHAVIOUR_OUTSIDE(released_it_wakes_nobody)
{
    struct child child;
    for (uint32_t cores = 1; cores <= CORES; cores += 2)
        if (!deadlock_check(&child, cores, sleep_without_channel))
            return;
}

enum { LIVES = UNDER_TSAN || UNDER_ASAN ? 10 : 40, THREADS = 3 };

static int take_one(void *unused)
{
    int item = 0;
    (void)unused;
    AIO_CHECK_OK(aio_time_sleep((int64_t)(test_random() % 200000)));
    int rc = aio_shared_receive(channel, &item);
    AIO_CHECK(rc == 0 || (rc == 1 && item == 5));
    return rc;
}

static void *live_for_one(void *unused)
{
    for (int life = 0; life < LIVES; life++)
        atomic_fetch_add(&received, test_run(take_one, NULL));
    return unused;
}

/* A runtime that ends in the very moment in which it has its item, while the sender may not be
 * through with waking it. */
static void check_short_lives(size_t capacity)
{
    pthread_t threads[THREADS];
    int item = 5;
    REQUIRE_OK(aio_shared_open(&channel, sizeof item, capacity));
    received = 0;
    for (int i = 0; i < THREADS; i++)
        REQUIRE(thread_start(&threads[i], live_for_one, NULL));
    for (int i = 0; i < THREADS * LIVES; i++)
        AIO_CHECK_OK(aio_shared_send(channel, &item));
    for (int i = 0; i < THREADS; i++)
        thread_join(threads[i]);
    AIO_CHECK_EQ(received, THREADS * LIVES);
    aio_shared_release(channel);
}

BEHAVIOUR_OUTSIDE(receivers_end_at_once)
{
    check_short_lives(0);
    check_short_lives(4);
}
