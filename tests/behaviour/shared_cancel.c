/*
 * Shared channels under cancellation and deadlines: what was sent is received, what was refused
 * was not sent.
 */
#define SUITE "shared_cancel"
#include "tests/behaviour/shared_tools.h"

enum { ROUNDS = UNDER_TSAN ? 300 : 2000 };

static int receive_one(void *channel)
{
    int64_t item;
    return aio_shared_receive(channel, &item);
}

static int send_one(void *channel)
{
    int64_t item = 1;
    return aio_shared_send(channel, &item);
}

static void check_interrupted(size_t capacity, size_t filled, int (*body)(void *))
{
    struct aio_shared_channel *channel = shared_of(sizeof(int64_t), capacity);
    struct aio_deadline deadline;
    int64_t item = 0;
    REQUIRE(channel != NULL);
    for (size_t i = 0; i < filled; i++)
        AIO_CHECK_OK(aio_shared_trysend(channel, &item));
    struct aio_task *task = task_named("waiter", body, channel);
    REQUIRE(task != NULL && task_wait_parked("waiter"));
    AIO_CHECK_ERROR(task_stop(task), -ECANCELED);
    aio_deadline_set(&deadline, AIO_MS(2));
    AIO_CHECK_ERROR(body(channel), -ETIMEDOUT);
    AIO_CHECK(aio_deadline_expired(&deadline));
    AIO_CHECK_ERROR(body(channel), -ETIMEDOUT);
    aio_deadline_clear(&deadline);
    for (size_t i = 0; i < filled; i++)
        AIO_CHECK_EQ(aio_shared_tryreceive(channel, &item), 1);
    AIO_CHECK_ERROR(aio_shared_tryreceive(channel, &item), -EAGAIN);
    aio_shared_release(channel);
}

BEHAVIOUR(a_receive_is_interrupted)
{
    check_interrupted(2, 0, receive_one);
    check_interrupted(0, 0, receive_one);
}

BEHAVIOUR(a_send_is_interrupted)
{
    check_interrupted(2, 2, send_one);
    check_interrupted(0, 0, send_one);
}

static int cancelled_with_room(void *channel)
{
    aio_task_cancel(aio_task_current());
    int64_t item = 0;
    AIO_CHECK_ERROR(aio_shared_send(channel, &item), -ECANCELED);
    AIO_CHECK_ERROR(aio_shared_receive(channel, &item), -ECANCELED);
    AIO_CHECK_EQ(aio_shared_tryreceive(channel, &item), 1);
    return 0;
}

/* A cancelled task starts nothing, even where it would not have to wait. */
BEHAVIOUR(refused_when_cancelled_before)
{
    struct aio_shared_channel *channel = shared_of(sizeof(int64_t), 2);
    REQUIRE(channel != NULL);
    AIO_CHECK_OK(send_one(channel));
    struct aio_task *task = task_named("cancelled", cancelled_with_room, channel);
    REQUIRE(task != NULL);
    AIO_CHECK_OK(aio_task_join(task, NULL));
    aio_shared_release(channel);
}

/* Success beats a cancellation that comes before the task has run again. */
BEHAVIOUR(an_item_in_hand_is_kept)
{
    struct aio_shared_channel *channel = shared_of(sizeof(int64_t), 2);
    struct aio_task *task = task_named("waiter", receive_one, channel);
    REQUIRE(channel != NULL && task != NULL && task_wait_parked("waiter"));
    AIO_CHECK_OK(send_one(channel));
    AIO_CHECK_EQ(task_stop(task), 1);
    aio_shared_release(channel);
}

/* Items in and out of a channel whose users are cancelled and run out of time all the while. */
struct hammer {
    struct crew crew;
    _Atomic int64_t sent, received, sum_sent, sum_received, next;
    _Atomic int senders_left;
};

static int hammer_send(void *arg)
{
    struct hammer *hammer = arg;
    int64_t item = ++hammer->next;
    int rc = -1;
    AIO_TIMEOUT(AIO_US(2) * (int64_t)(test_random() % 20))
    {
        rc = aio_shared_send(hammer->crew.channel, &item);
    }
    if (rc == 0) {
        hammer->sent++;
        hammer->sum_sent += item;
    }
    return rc == 0 || rc == -ECANCELED || rc == -ETIMEDOUT ? 0 : -1;
}

static int hammer_receive(void *arg)
{
    struct hammer *hammer = arg;
    int64_t item = 0;
    int rc = -1;
    AIO_TIMEOUT(AIO_US(2) * (int64_t)(test_random() % 20))
    {
        rc = aio_shared_receive(hammer->crew.channel, &item);
    }
    if (rc == 1) {
        hammer->received++;
        hammer->sum_received += item;
    }
    return rc >= 0 || rc == -ECANCELED || rc == -ETIMEDOUT ? 0 : -1;
}

/* Starts a task, lets it run or not, cancels it or not, joins it. */
static void hammer_rounds(struct crew_member *member, int (*body)(void *))
{
    for (int i = 0; i < ROUNDS; i++) {
        struct aio_task *task;
        int result = -1;
        REQUIRE_OK(aio_task_spawn(&task, body, member->crew, NULL));
        for (uint64_t turns = test_random() % 3; turns > 0; turns--)
            AIO_CHECK_OK(aio_task_yield());
        if (test_random() % 2 == 0)
            aio_task_cancel(task);
        AIO_CHECK_OK(aio_task_join(task, &result));
        AIO_CHECK_OK(result);
    }
}

static void hammer_senders(struct crew_member *member)
{
    hammer_rounds(member, hammer_send);
    struct hammer *hammer = (struct hammer *)(void *)member->crew;
    if (--hammer->senders_left == 0)
        aio_shared_close(hammer->crew.channel);
}

static void hammer_receivers(struct crew_member *member)
{
    hammer_rounds(member, hammer_receive);
    struct hammer *hammer = (struct hammer *)(void *)member->crew;
    int64_t item;
    while (aio_shared_receive(hammer->crew.channel, &item) == 1) {
        hammer->received++;
        hammer->sum_received += item;
    }
}

static void check_hammer(size_t capacity)
{
    struct hammer hammer = {.senders_left = 3};
    REQUIRE(crew_open(&hammer.crew, sizeof(int64_t), capacity));
    crew_add(&hammer.crew, hammer_senders, 3);
    crew_add(&hammer.crew, hammer_receivers, 3);
    crew_run(&hammer.crew);
    AIO_CHECK_EQ(hammer.sent, hammer.received);
    AIO_CHECK_EQ(hammer.sum_sent, hammer.sum_received);
}

BEHAVIOUR_OUTSIDE(nothing_is_lost_under_the_hammer)
{
    check_hammer(3);
}

BEHAVIOUR_OUTSIDE(nothing_is_lost_in_a_rendezvous)
{
    check_hammer(0);
}
