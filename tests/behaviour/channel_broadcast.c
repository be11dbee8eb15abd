/*
 * Broadcasts: every subscriber sees every item since it subscribed, or is told what it missed.
 */
#define SUITE "channel_broadcast"
#include "tests/behaviour/task_tools.h"

#include <aio/channel.h>
#include <aio/select.h>
#include <errno.h>

BEHAVIOUR(bad_sizes)
{
    struct aio_broadcast *broadcast;
    AIO_CHECK_ERROR(aio_broadcast_open(&broadcast, 8, 0), -EINVAL);
    AIO_CHECK_ERROR(aio_broadcast_open(&broadcast, 8, SIZE_MAX), -EINVAL);
    AIO_CHECK_ERROR(aio_broadcast_open(&broadcast, SIZE_MAX, 2), -EINVAL);
    AIO_CHECK_ERROR(aio_broadcast_open(&broadcast, 1, SIZE_MAX / 4), -ENOMEM);
    REQUIRE_OK(aio_broadcast_open(&broadcast, 0, 3));
    AIO_CHECK_OK(aio_broadcast_send(broadcast, NULL)); /* nobody listens */
    aio_broadcast_free(broadcast);
    aio_broadcast_free(NULL);
    aio_subscriber_free(NULL);
}

static void send_range(struct aio_broadcast *broadcast, int from, int to)
{
    for (int item = from; item < to; item++)
        AIO_CHECK_OK(aio_broadcast_send(broadcast, &item));
}

/* Takes from..to and nothing else. */
static void expect_range(struct aio_subscriber *subscriber, int from, int to)
{
    int item;
    for (int i = from; i < to; i++)
        AIO_CHECK(aio_subscriber_tryreceive(subscriber, &item) == 1 && item == i);
}

/* The lag policy: the newest `capacity` items are kept, and a gap is told once. */
BEHAVIOUR(slow_subscribers_are_told)
{
    struct aio_broadcast *broadcast;
    struct aio_subscriber *early, *late;
    int item;
    REQUIRE_OK(aio_broadcast_open(&broadcast, sizeof item, 5)); /* not a power of two */
    REQUIRE_OK(aio_broadcast_subscribe(&early, broadcast));
    send_range(broadcast, 0, 5);
    REQUIRE_OK(aio_broadcast_subscribe(&late, broadcast));
    expect_range(early, 0, 5);
    AIO_CHECK_ERROR(aio_subscriber_tryreceive(early, &item), -EAGAIN);
    AIO_CHECK_ERROR(aio_subscriber_tryreceive(late, &item), -EAGAIN);
    send_range(broadcast, 5, 11);
    AIO_CHECK_ERROR(aio_subscriber_tryreceive(early, &item), -EOVERFLOW);
    AIO_CHECK_EQ(aio_subscriber_missed(early), 1);
    expect_range(early, 6, 11);
    send_range(broadcast, 11, 100);
    AIO_CHECK_ERROR(aio_subscriber_receive(late, &item), -EOVERFLOW);
    AIO_CHECK_EQ(aio_subscriber_missed(late), 90);
    aio_broadcast_close(broadcast);
    AIO_CHECK_ERROR(aio_broadcast_send(broadcast, &item), -EPIPE);
    expect_range(late, 95, 100);
    AIO_CHECK_EQ(aio_subscriber_receive(late, &item), 0);
    AIO_CHECK_ERROR(aio_subscriber_receive(early, &item), -EOVERFLOW);
    AIO_CHECK_EQ(aio_subscriber_missed(early), 85);
    aio_subscriber_free(early);
    aio_subscriber_free(late);
    aio_broadcast_free(broadcast);
}

struct listening {
    struct aio_subscriber *subscriber;
    int sum;
    int count;
    int rc;
};

static int listen_on(void *arg)
{
    struct listening *listening = arg;
    int item;
    while ((listening->rc = aio_subscriber_receive(listening->subscriber, &item)) == 1) {
        listening->sum += item;
        listening->count++;
    }
    return listening->rc;
}

/* Whoever waits is handed the item at once; a subscriber that two tasks share gets each only once.
 */
BEHAVIOUR(waiting_subscribers)
{
    enum { TASKS = 6, ITEMS = 50 };
    struct aio_broadcast *broadcast;
    struct listening listening[TASKS] = {{NULL, 0, 0, 0}};
    struct aio_task *tasks[TASKS];
    REQUIRE_OK(aio_broadcast_open(&broadcast, sizeof(int), 4));
    for (int i = 0; i < TASKS; i++) {
        if (i < TASKS - 1)
            REQUIRE_OK(aio_broadcast_subscribe(&listening[i].subscriber, broadcast));
        else
            listening[i].subscriber = listening[i - 1].subscriber;
        tasks[i] = task_named("listening", listen_on, &listening[i]);
    }
    for (int i = 0; i < ITEMS; i++) {
        AIO_CHECK_OK(aio_task_yield());
        AIO_CHECK_OK(aio_broadcast_send(broadcast, &i));
    }
    aio_broadcast_close(broadcast);
    for (int i = 0; i < TASKS; i++)
        AIO_CHECK_OK(aio_task_join(tasks[i], NULL));
    listening[TASKS - 2].sum += listening[TASKS - 1].sum;
    listening[TASKS - 2].count += listening[TASKS - 1].count;
    for (int i = 0; i < TASKS - 1; i++) {
        AIO_CHECK_EQ(listening[i].rc, 0);
        AIO_CHECK_EQ(listening[i].count, ITEMS);
        AIO_CHECK_EQ(listening[i].sum, ITEMS * (ITEMS - 1) / 2);
        aio_subscriber_free(listening[i].subscriber);
    }
    aio_broadcast_free(broadcast);
}

/* Subscribers that are cancelled and go on again miss nothing, as long as they keep up. */
BEHAVIOUR(canceled_subscribers_miss_nothing)
{
    enum { ROUNDS = 300 };
    struct aio_broadcast *broadcast;
    struct listening listening = {NULL, 0, 0, 0};
    REQUIRE_OK(aio_broadcast_open(&broadcast, sizeof(int), 4));
    REQUIRE_OK(aio_broadcast_subscribe(&listening.subscriber, broadcast));
    for (int i = 0; i < ROUNDS; i++) {
        struct aio_task *task = task_named("listening", listen_on, &listening);
        if (test_random() % 2 == 0)
            AIO_CHECK_OK(aio_task_yield());
        AIO_CHECK_OK(aio_broadcast_send(broadcast, &i));
        if (test_random() % 2 == 0)
            AIO_CHECK_OK(aio_task_yield());
        AIO_CHECK_ERROR(task_stop(task), -ECANCELED);
        while (listening.count <= i) {
            int item;
            REQUIRE(aio_subscriber_tryreceive(listening.subscriber, &item) == 1);
            listening.sum += item;
            listening.count++;
        }
    }
    AIO_CHECK_EQ(aio_subscriber_missed(listening.subscriber), 0);
    AIO_CHECK_EQ(listening.sum, ROUNDS * (ROUNDS - 1) / 2);
    aio_subscriber_free(listening.subscriber);
    aio_broadcast_free(broadcast);
}

/* Items that are there are no reason to keep the thread. */
BEHAVIOUR(instant_items_give_way)
{
    enum { ITEMS = 1000 };
    struct aio_broadcast *broadcast;
    struct aio_subscriber *subscriber;
    int item, turns = 0;
    REQUIRE_OK(aio_broadcast_open(&broadcast, sizeof item, ITEMS));
    REQUIRE_OK(aio_broadcast_subscribe(&subscriber, broadcast));
    struct aio_task *other = task_named("other", task_count_turns, &turns);
    send_range(broadcast, 0, ITEMS);
    for (int i = 0; i < ITEMS; i++)
        AIO_CHECK_EQ(aio_subscriber_receive(subscriber, &item), 1);
    AIO_CHECK(turns >= 10);
    task_stop(other);
    aio_subscriber_free(subscriber);
    aio_broadcast_free(broadcast);
}

/* A select over a subscriber and a channel. */
struct choice {
    struct aio_broadcast *broadcast;
    struct aio_subscriber *subscriber;
    struct aio_channel *channel;
    int item;
};

static int choose(void *arg)
{
    struct choice *choice = arg;
    struct aio_select_case cases[] = {aio_select_subscriber(choice->subscriber, &choice->item),
                                      aio_select_receive(choice->channel, NULL)};
    return aio_select_wait(cases, 2);
}

/* Returns the task of a select that waits for both. */
static struct aio_task *choice_open(struct choice *choice)
{
    *choice = (struct choice){.item = -1};
    AIO_CHECK_OK(aio_broadcast_open(&choice->broadcast, sizeof(int), 4));
    AIO_CHECK_OK(aio_broadcast_subscribe(&choice->subscriber, choice->broadcast));
    AIO_CHECK_OK(aio_channel_open(&choice->channel, 0, 0));
    struct aio_task *task = task_named("choosing", choose, choice);
    AIO_CHECK_OK(aio_task_yield());
    return task;
}

static void choice_close(struct choice *choice)
{
    aio_subscriber_free(choice->subscriber);
    aio_broadcast_free(choice->broadcast);
    aio_channel_free(choice->channel);
}

/* A select that waits gets the item, or that there will be none. */
BEHAVIOUR(select_that_waits)
{
    for (int closed = 0; closed < 2; closed++) {
        struct choice choice;
        struct aio_task *task = choice_open(&choice);
        if (closed == 1)
            aio_broadcast_close(choice.broadcast);
        else
            send_range(choice.broadcast, 5, 6);
        AIO_CHECK_EQ(task_stop(task), 0);
        AIO_CHECK_EQ(choice.item, closed == 1 ? -1 : 5);
        choice_close(&choice);
    }
}

/* One that has something else, and has not run yet, leaves the item to the next. */
BEHAVIOUR(select_that_is_decided)
{
    struct choice choice;
    struct aio_task *task = choice_open(&choice);
    AIO_CHECK_OK(aio_channel_trysend(choice.channel, NULL));
    send_range(choice.broadcast, 5, 6);
    AIO_CHECK_EQ(task_stop(task), 1);
    AIO_CHECK_EQ(choice.item, -1);
    expect_range(choice.subscriber, 5, 6);
    choice_close(&choice);
}

/* And it does not hold a subscriber that is freed. */
BEHAVIOUR(freed_under_a_decided_select)
{
    struct choice choice;
    struct aio_task *task = choice_open(&choice);
    AIO_CHECK_OK(aio_channel_trysend(choice.channel, NULL));
    aio_subscriber_free(choice.subscriber);
    choice.subscriber = NULL;
    send_range(choice.broadcast, 5, 6);
    AIO_CHECK_EQ(task_stop(task), 1);
    choice_close(&choice);
}
