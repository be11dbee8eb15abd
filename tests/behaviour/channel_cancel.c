/*
 * Cancellation and deadlines of channels: nothing is lost, nothing is there twice.
 */
#define SUITE "channel_cancel"
#include "tests/behaviour/task_tools.h"

#include <aio/channel.h>
#include <errno.h>
#include <string.h>

struct taker {
    struct aio_channel *channel;
    int item;
    int first;
    int second;
};

static int take_twice(void *arg)
{
    struct taker *taker = arg;
    int unused;
    taker->first = aio_channel_receive(taker->channel, &taker->item);
    taker->second = aio_channel_receive(taker->channel, &unused);
    return 0;
}

/* An item and a cancellation in the same moment, in either order: the one that came first counts,
 * and the cancellation is not forgotten. */
BEHAVIOUR(receiver_canceled_in_the_same_moment)
{
    for (int order = 0; order < 2; order++) {
        struct taker taker = {.item = -1};
        int item = 5;
        REQUIRE_OK(aio_channel_open(&taker.channel, sizeof item, 0));
        struct aio_task *task = task_named("taker", take_twice, &taker);
        AIO_CHECK_OK(aio_task_yield());
        if (order == 1)
            aio_task_cancel(task);
        AIO_CHECK_ERROR(aio_channel_trysend(taker.channel, &item), order == 0 ? 0 : -EAGAIN);
        aio_task_cancel(task);
        AIO_CHECK_OK(aio_task_join(task, NULL));
        AIO_CHECK_EQ(taker.first, order == 0 ? 1 : -ECANCELED);
        AIO_CHECK_EQ(taker.item, order == 0 ? 5 : -1);
        AIO_CHECK_ERROR(taker.second, -ECANCELED);
        aio_channel_free(taker.channel);
    }
}

static int send_five(void *channel)
{
    int item = 5;
    return aio_channel_send(channel, &item);
}

/* A sender cancelled before its item was taken keeps it; one whose item was taken has sent it. */
BEHAVIOUR(sender_canceled_in_the_same_moment)
{
    for (int order = 0; order < 2; order++) {
        struct aio_channel *channel;
        int item = 0, result = 1;
        REQUIRE_OK(aio_channel_open(&channel, sizeof item, 0));
        struct aio_task *task = task_named("sender", send_five, channel);
        AIO_CHECK_OK(aio_task_yield());
        if (order == 1)
            aio_task_cancel(task);
        AIO_CHECK_EQ(aio_channel_tryreceive(channel, &item), order == 0 ? 1 : -EAGAIN);
        aio_task_cancel(task);
        AIO_CHECK_OK(aio_task_join(task, &result));
        AIO_CHECK_EQ(result, order == 0 ? 0 : -ECANCELED);
        aio_channel_free(channel);
    }
}

/* A call entered with a cancellation or an expired deadline pending does nothing, ready or not. */
BEHAVIOUR(pending_interruptions_come_first)
{
    struct aio_channel *channel;
    int item = 3;
    REQUIRE_OK(aio_channel_open(&channel, sizeof item, 2));
    AIO_CHECK_OK(aio_channel_trysend(channel, &item));
    AIO_TIMEOUT(0)
    {
        AIO_CHECK_ERROR(aio_channel_receive(channel, &item), -ETIMEDOUT);
        AIO_CHECK_ERROR(aio_channel_send(channel, &item), -ETIMEDOUT);
    }
    AIO_CHECK_EQ(aio_channel_length(channel), 1);
    aio_task_cancel(aio_task_current());
    AIO_CHECK_ERROR(aio_channel_receive(channel, &item), -ECANCELED);
    AIO_CHECK_ERROR(aio_channel_send(channel, &item), -ECANCELED);
    AIO_SHIELD
    {
        AIO_CHECK_EQ(aio_channel_receive(channel, &item), 1);
    }
    aio_channel_free(channel);
}

/* Deadlines end both kinds of waits, and tell whose they were. */
BEHAVIOUR(deadlines)
{
    struct aio_channel *channel;
    struct aio_deadline deadline;
    int item = 3;
    REQUIRE_OK(aio_channel_open(&channel, sizeof item, 1));
    aio_deadline_set(&deadline, AIO_MS(2));
    AIO_CHECK_ERROR(aio_channel_receive(channel, &item), -ETIMEDOUT);
    AIO_CHECK(aio_deadline_expired(&deadline));
    aio_deadline_clear(&deadline);
    AIO_CHECK_OK(aio_channel_send(channel, &item));
    aio_deadline_set(&deadline, AIO_MS(2));
    AIO_CHECK_ERROR(aio_channel_send(channel, &item), -ETIMEDOUT);
    AIO_CHECK(aio_deadline_expired(&deadline));
    aio_deadline_clear(&deadline);
    AIO_CHECK_EQ(aio_channel_length(channel), 1);
    aio_channel_free(channel);
}

enum { PRODUCERS = 6, CONSUMERS = 6, ITEMS = 150 };

struct hammer_item {
    int producer;
    int number;
};

struct hammer {
    struct aio_channel *channel;
    int sent[PRODUCERS]; /* items of each that were taken from it */
    int got[PRODUCERS];
    int last[CONSUMERS][PRODUCERS];
    bool disorder;
};

struct hammer_part {
    struct hammer *hammer;
    int index;
};

/* Goes on with the item it kept when it is cancelled or too late: the task that tests spawns it
 * anew. */
static int hammer_send(void *arg)
{
    struct hammer_part *part = arg;
    int *sent = &part->hammer->sent[part->index];
    int rc = 0;
    while (*sent < ITEMS) {
        struct hammer_item item = {part->index, *sent};
        AIO_TIMEOUT(test_random() % 8 == 0 ? AIO_US(2) : AIO_FOREVER)
        {
            rc = aio_channel_send(part->hammer->channel, &item);
        }
        *sent += rc == 0;
        if (rc == -ECANCELED)
            return rc;
    }
    return 0;
}

static int hammer_receive(void *arg)
{
    struct hammer_part *part = arg;
    struct hammer *hammer = part->hammer;
    int *last = hammer->last[part->index];
    struct hammer_item item;
    int rc = 1;
    while (rc == 1 || rc == -ETIMEDOUT) {
        AIO_TIMEOUT(test_random() % 8 == 0 ? AIO_US(2) : AIO_FOREVER)
        {
            rc = aio_channel_receive(hammer->channel, &item);
        }
        if (rc != 1)
            continue;
        hammer->disorder |= item.number <= last[item.producer];
        last[item.producer] = item.number;
        hammer->got[item.producer]++;
    }
    return rc;
}

static bool hammer_done(const struct hammer *hammer)
{
    for (int i = 0; i < PRODUCERS; i++)
        if (hammer->sent[i] < ITEMS)
            return false;
    return true;
}

/* Ends one of the tasks and puts another in its place. */
static void hammer_replace(struct aio_task **task, int (*fn)(void *arg), void *arg)
{
    if (*task != NULL)
        (void)task_stop(*task);
    *task = task_named("hammer", fn, arg);
}

static void hammer_run(size_t capacity)
{
    struct hammer hammer = {.disorder = false};
    struct hammer_part parts[PRODUCERS]; /* as many as consumers */
    struct aio_task *producers[PRODUCERS] = {NULL}, *consumers[CONSUMERS] = {NULL};
    REQUIRE_OK(aio_channel_open(&hammer.channel, sizeof(struct hammer_item), capacity));
    memset(hammer.last, -1, sizeof hammer.last);
    for (int i = 0; i < PRODUCERS; i++) {
        parts[i] = (struct hammer_part){&hammer, i};
        hammer_replace(&producers[i], hammer_send, &parts[i]);
    }
    for (int i = 0; i < CONSUMERS; i++)
        hammer_replace(&consumers[i], hammer_receive, &parts[i]);
    while (!hammer_done(&hammer)) {
        int at = (int)(test_random() % PRODUCERS);
        if (test_random() % 2 == 0)
            hammer_replace(&producers[at], hammer_send, &parts[at]);
        else
            hammer_replace(&consumers[at], hammer_receive, &parts[at]);
        AIO_CHECK_OK(aio_task_yield());
    }
    for (int i = 0; i < PRODUCERS; i++)
        AIO_CHECK_OK(aio_task_join(producers[i], NULL));
    aio_channel_close(hammer.channel);
    for (int i = 0; i < CONSUMERS; i++)
        AIO_CHECK_OK(aio_task_join(consumers[i], NULL));
    for (int i = 0; i < PRODUCERS; i++)
        AIO_CHECK(hammer.sent[i] == ITEMS && hammer.got[i] == ITEMS);
    AIO_CHECK(!hammer.disorder);
    aio_channel_free(hammer.channel);
}

/* Many producers and consumers, cancelled and timed out at random: items in are items out, and
 * each consumer sees each producer's items in their order. */
BEHAVIOUR(hammered)
{
    hammer_run(0);
    hammer_run(1);
    hammer_run(16);
}
