/*
 * Storms of messages between cores: ten million through one channel, the order of each sender
 * kept, none lost.
 */
#define SUITE "soak_shared"
#include "tests/soak/soak.h"

#include <aio/shared.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>

enum { MESSAGES = UNDER_TSAN ? 200000 : 10000000, TASKS = 4, SIDES = 2 };

struct message {
    int64_t number;
    int32_t sender;
};

struct crossing {
    struct aio_shared_channel *channel;
    pthread_barrier_t end;
    int64_t each;
    _Atomic int senders;
    _Atomic int senders_left;
    _Atomic int64_t received;
    _Atomic int64_t sum;
};

static int send_messages(void *arg)
{
    struct crossing *crossing = arg;
    struct message message = {.sender = crossing->senders++};
    int rc = 0;
    for (; rc == 0 && message.number < crossing->each; message.number++)
        rc = aio_shared_send(crossing->channel, &message);
    AIO_CHECK_OK(rc);
    if (--crossing->senders_left == 0)
        aio_shared_close(crossing->channel);
    return rc;
}

static int receive_messages(void *arg)
{
    struct crossing *crossing = arg;
    int64_t next[TASKS] = {0}, count = 0, sum = 0, overtaken = 0;
    struct message message;
    while (aio_shared_receive(crossing->channel, &message) == 1) {
        overtaken += message.number < next[message.sender];
        next[message.sender] = message.number + 1;
        sum += message.number;
        count++;
    }
    AIO_CHECK_EQ(overtaken, 0);
    crossing->received += count;
    crossing->sum += sum;
    return 0;
}

struct side {
    struct crossing *crossing;
    int (*body)(void *crossing);
};

static int side_root(void *arg)
{
    struct side *side = arg;
    struct aio_task *tasks[TASKS];
    for (int i = 0; i < TASKS; i++)
        AIO_CHECK_OK(aio_task_spawn(&tasks[i], side->body, side->crossing, NULL));
    for (int i = 0; i < TASKS; i++)
        AIO_CHECK_OK(aio_task_join(tasks[i], NULL));
    pthread_barrier_wait(&side->crossing->end);
    return 0;
}

static void *side_thread(void *arg)
{
    AIO_CHECK_OK(test_run(side_root, arg));
    return NULL;
}

static void storm(size_t capacity, int64_t messages)
{
    struct crossing crossing = {.each = messages / TASKS, .senders_left = TASKS};
    struct side sides[SIDES] = {{&crossing, send_messages}, {&crossing, receive_messages}};
    pthread_t threads[SIDES];
    REQUIRE_OK(aio_shared_open(&crossing.channel, sizeof(struct message), capacity));
    pthread_barrier_init(&crossing.end, NULL, SIDES);
    for (int i = 0; i < SIDES; i++)
        REQUIRE(pthread_create(&threads[i], NULL, side_thread, &sides[i]) == 0);
    for (int i = 0; i < SIDES; i++)
        pthread_join(threads[i], NULL);
    pthread_barrier_destroy(&crossing.end);
    aio_shared_release(crossing.channel);
    AIO_CHECK_EQ(crossing.received, crossing.each * TASKS);
    AIO_CHECK_EQ(crossing.sum, crossing.each * (crossing.each - 1) / 2 * TASKS);
}

BEHAVIOUR_OUTSIDE(ten_million_messages)
{
    storm(1024, MESSAGES);
}

BEHAVIOUR_OUTSIDE(a_small_channel)
{
    storm(16, MESSAGES / 10);
}

BEHAVIOUR_OUTSIDE(rendezvous)
{
    storm(0, MESSAGES / 100);
}
