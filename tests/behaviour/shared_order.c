/*
 * Messages between cores and threads: each arrives once, those of one sender in their order.
 */
#define SUITE "shared_order"
#include "tests/behaviour/shared_tools.h"

#include <string.h>

enum { MESSAGES = UNDER_TSAN ? 4000 : 30000, SENDERS_MAX = 64 };

struct message {
    int64_t number;
    int32_t sender;
};

/* What goes on in one crossing. */
struct crossing {
    struct crew crew;
    _Atomic int senders;      /* their numbers */
    _Atomic int senders_left; /* the last one closes the channel */
    _Atomic int64_t sent;
    _Atomic int64_t received;
    _Atomic int64_t sum;
    int64_t each;
};

static void send_messages(struct crew_member *member)
{
    struct crossing *crossing = (struct crossing *)(void *)member->crew;
    struct message message = {.sender = crossing->senders++};
    for (; message.number < crossing->each; message.number++) {
        if (!AIO_CHECK_OK(aio_shared_send(crossing->crew.channel, &message)))
            break;
        crossing->sent++;
    }
    if (--crossing->senders_left == 0)
        aio_shared_close(crossing->crew.channel);
}

static void receive_messages(struct crew_member *member)
{
    struct crossing *crossing = (struct crossing *)(void *)member->crew;
    int64_t next[SENDERS_MAX] = {0}, sum = 0, count = 0;
    struct message message;
    int rc;
    while ((rc = aio_shared_receive(crossing->crew.channel, &message)) == 1) {
        if (message.number < next[message.sender])
            AIO_CHECK(!"a sender's messages were overtaken");
        next[message.sender] = message.number + 1;
        sum += message.number;
        count++;
    }
    AIO_CHECK_EQ(rc, 0);
    crossing->received += count;
    crossing->sum += sum;
}

/* So many tasks to a thread on the two sides (0: it is plain), and so many threads. */
static void cross(size_t capacity, int threads, int sender_tasks, int receiver_tasks)
{
    struct crossing crossing = {.senders = 0};
    REQUIRE(crew_open(&crossing.crew, sizeof(struct message), capacity));
    int senders = threads * (sender_tasks == 0 ? 1 : sender_tasks);
    crossing.senders_left = senders;
    crossing.each = (capacity < 4 ? MESSAGES / 10 : MESSAGES) / senders;
    for (int i = 0; i < threads; i++) {
        crew_add(&crossing.crew, send_messages, sender_tasks);
        crew_add(&crossing.crew, receive_messages, receiver_tasks);
    }
    crew_run(&crossing.crew);
    AIO_CHECK_EQ(crossing.sent, crossing.each * senders);
    AIO_CHECK_EQ(crossing.received, crossing.sent);
    AIO_CHECK_EQ(crossing.sum, crossing.each * (crossing.each - 1) / 2 * senders);
}

BEHAVIOUR_OUTSIDE(one_task_to_one)
{
    cross(64, 1, 1, 1);
}

BEHAVIOUR_OUTSIDE(many_tasks_to_many)
{
    cross(16, 2, 8, 8);
}

BEHAVIOUR_OUTSIDE(through_a_channel_of_one)
{
    cross(1, 2, 3, 3);
}

/* A capacity that is no power of two, so that the index goes round earlier than its bits. */
BEHAVIOUR_OUTSIDE(through_a_channel_of_five)
{
    cross(5, 2, 2, 2);
}

BEHAVIOUR_OUTSIDE(rendezvous_of_many)
{
    cross(0, 2, 4, 4);
}

BEHAVIOUR_OUTSIDE(threads_to_tasks)
{
    cross(16, 2, 0, 4);
}

BEHAVIOUR_OUTSIDE(tasks_to_threads)
{
    cross(16, 2, 4, 0);
}

BEHAVIOUR_OUTSIDE(threads_to_threads)
{
    cross(8, 2, 0, 0);
}

BEHAVIOUR_OUTSIDE(rendezvous_of_threads_and_tasks)
{
    cross(0, 2, 0, 3);
}

struct big {
    char bytes[1001];
};

static int send_big(void *channel)
{
    struct big big;
    int rc = 0;
    for (uint64_t i = 0; i < 200 && rc == 0; i++) {
        test_pattern_fill(big.bytes, sizeof big.bytes, i * 7);
        rc = aio_shared_send(channel, &big);
    }
    aio_shared_close(channel);
    return rc;
}

/* Within one core, with items of an odd size: the same task tools as between cores. */
BEHAVIOUR(big_items_within_a_core)
{
    struct aio_shared_channel *channel = shared_of(sizeof(struct big), 3);
    struct aio_task *sender = task_named("sender", send_big, channel);
    struct big big;
    uint64_t count = 0;
    REQUIRE(channel != NULL && sender != NULL);
    while (aio_shared_receive(channel, &big) == 1)
        AIO_CHECK(test_pattern_check(big.bytes, sizeof big.bytes, count++ * 7));
    AIO_CHECK_EQ(count, 200);
    int result = -1;
    AIO_CHECK_OK(aio_task_join(sender, &result));
    AIO_CHECK_OK(result);
    aio_shared_release(channel);
}
