/*
 * Channels: what goes in comes out, in order, for every capacity and size of item; who waits.
 */
#define SUITE "channel_plain"
#include "tests/behaviour/task_tools.h"

#include <aio/channel.h>
#include <errno.h>
#include <string.h>

/* Bad sizes are refused, huge ones without being tried. */
BEHAVIOUR(sizes)
{
    struct aio_channel *channel;
    AIO_CHECK_ERROR(aio_channel_open(&channel, 8, SIZE_MAX), -EINVAL);
    AIO_CHECK_ERROR(aio_channel_open(&channel, SIZE_MAX, 2), -EINVAL);
    AIO_CHECK_ERROR(aio_channel_open(&channel, 1, SIZE_MAX / 2), -ENOMEM);
    AIO_CHECK_ERROR(aio_channel_open(&channel, SIZE_MAX / 16, 8), -ENOMEM);
    REQUIRE_OK(aio_channel_open(&channel, 8, 1 << 20));
    AIO_CHECK_EQ(aio_channel_capacity(channel), 1 << 20);
    AIO_CHECK_EQ(aio_channel_length(channel), 0);
    aio_channel_free(channel);
    aio_channel_free(NULL);
}

/* The try forms never wait, and say why they could not. */
BEHAVIOUR(trying)
{
    struct aio_channel *channel;
    int item = 1;
    REQUIRE_OK(aio_channel_open(&channel, sizeof item, 0));
    AIO_CHECK_ERROR(aio_channel_trysend(channel, &item), -EAGAIN);
    AIO_CHECK_ERROR(aio_channel_tryreceive(channel, &item), -EAGAIN);
    aio_channel_free(channel);
    REQUIRE_OK(aio_channel_open(&channel, sizeof item, 3));
    for (int round = 0; round < 5; round++) {
        for (item = 0; item < 3; item++)
            AIO_CHECK_OK(aio_channel_trysend(channel, &item));
        AIO_CHECK_ERROR(aio_channel_trysend(channel, &item), -EAGAIN);
        AIO_CHECK_EQ(aio_channel_length(channel), 3);
        for (int i = 0; i < 3; i++)
            AIO_CHECK(aio_channel_tryreceive(channel, &item) == 1 && item == i);
        AIO_CHECK_ERROR(aio_channel_tryreceive(channel, &item), -EAGAIN);
        AIO_CHECK_OK(aio_channel_trysend(channel, &item)); /* the ring's beginning moves on */
        AIO_CHECK_EQ(aio_channel_tryreceive(channel, &item), 1);
    }
    aio_channel_free(channel);
}

struct flow {
    struct aio_channel *channel;
    size_t bytes;
    int count;
};

enum { ITEM_MAX = 300 };

static int send_flow(void *arg)
{
    struct flow *flow = arg;
    char item[ITEM_MAX];
    int rc = 0;
    for (int i = 0; i < flow->count && rc == 0; i++) {
        test_pattern_fill(item, flow->bytes, (uint64_t)i * 7);
        rc = aio_channel_send(flow->channel, flow->bytes > 0 ? item : NULL);
    }
    aio_channel_close(flow->channel);
    return rc;
}

/* Every item arrives once, whole and in order; the sender and the receiver take turns at being
 * ahead. */
static void check_flow(size_t bytes, size_t capacity)
{
    enum { COUNT = 100 };
    struct flow flow = {.bytes = bytes, .count = COUNT};
    char item[ITEM_MAX];
    int got = 0, rc, result = -1;
    REQUIRE_OK(aio_channel_open(&flow.channel, bytes, capacity));
    struct aio_task *sender = task_named("sender", send_flow, &flow);
    REQUIRE(sender != NULL);
    for (;;) {
        if (test_random() % 4 == 0)
            AIO_CHECK_OK(aio_task_yield());
        rc = aio_channel_receive(flow.channel, bytes > 0 ? item : NULL);
        if (rc != 1)
            break;
        AIO_CHECK(test_pattern_check(item, bytes, (uint64_t)got * 7));
        got++;
    }
    AIO_CHECK_EQ(rc, 0);
    AIO_CHECK_EQ(got, COUNT);
    AIO_CHECK_OK(aio_task_join(sender, &result));
    AIO_CHECK_EQ(result, 0);
    aio_channel_free(flow.channel);
}

BEHAVIOUR(every_item_in_order)
{
    static const size_t sizes[] = {0, 1, 4, 8, 16, ITEM_MAX};
    static const size_t capacities[] = {0, 1, 2, 7, 64, 1000};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        for (size_t k = 0; k < sizeof capacities / sizeof *capacities; k++)
            check_flow(sizes[i], capacities[k]);
}

struct line {
    struct aio_channel *channel;
    int number;
    int got;
    int rc;
};

static int receive_one(void *arg)
{
    struct line *line = arg;
    return line->rc = aio_channel_receive(line->channel, &line->got);
}

static int send_number(void *arg)
{
    struct line *line = arg;
    return line->rc = aio_channel_send(line->channel, &line->number);
}

enum { LINE = 8 };

static void line_start(struct aio_channel *channel, struct line lines[LINE],
                       struct aio_task *tasks[LINE], int (*fn)(void *arg))
{
    for (int i = 0; i < LINE; i++) {
        lines[i] = (struct line){channel, i, -1, 7};
        tasks[i] = task_named("line", fn, &lines[i]);
    }
    AIO_CHECK_OK(aio_task_yield());
}

static void line_join(struct aio_task *tasks[LINE])
{
    for (int i = 0; i < LINE; i++)
        AIO_CHECK_OK(aio_task_join(tasks[i], NULL));
}

/* Receivers that wait are served in the order in which they came. */
BEHAVIOUR(receivers_stand_in_line)
{
    struct line lines[LINE];
    struct aio_task *tasks[LINE];
    struct aio_channel *channel;
    REQUIRE_OK(aio_channel_open(&channel, sizeof(int), 1));
    line_start(channel, lines, tasks, receive_one);
    for (int i = 0; i < LINE; i++)
        AIO_CHECK_OK(aio_channel_trysend(channel, &i));
    AIO_CHECK_EQ(aio_channel_length(channel), 0); /* all went straight to who waited */
    line_join(tasks);
    for (int i = 0; i < LINE; i++)
        AIO_CHECK(lines[i].rc == 1 && lines[i].got == i);
    aio_channel_free(channel);
}

/* So are senders, and one that comes later does not overtake those that wait. */
BEHAVIOUR(senders_stand_in_line)
{
    for (size_t capacity = 0; capacity < 3; capacity++) {
        struct line lines[LINE];
        struct aio_task *tasks[LINE];
        struct aio_channel *channel;
        int item = -1;
        REQUIRE_OK(aio_channel_open(&channel, sizeof(int), capacity));
        line_start(channel, lines, tasks, send_number);
        AIO_CHECK_EQ(aio_channel_length(channel), capacity);
        AIO_CHECK_ERROR(aio_channel_trysend(channel, &item), -EAGAIN);
        for (int i = 0; i < LINE; i++)
            AIO_CHECK(aio_channel_tryreceive(channel, &item) == 1 && item == i);
        AIO_CHECK_ERROR(aio_channel_tryreceive(channel, &item), -EAGAIN);
        line_join(tasks);
        for (int i = 0; i < LINE; i++)
            AIO_CHECK_EQ(lines[i].rc, 0);
        aio_channel_free(channel);
    }
}

/* A task that never has to wait gives way to others all the same, sending or receiving. */
BEHAVIOUR(instant_items_give_way)
{
    struct aio_channel *channel;
    int item = 5, turns = 0;
    REQUIRE_OK(aio_channel_open(&channel, sizeof item, 1000));
    struct aio_task *other = task_named("other", task_count_turns, &turns);
    REQUIRE(other != NULL);
    for (int i = 0; i < 1000; i++)
        AIO_CHECK_OK(aio_channel_send(channel, &item));
    AIO_CHECK(turns >= 10);
    turns = 0;
    for (int i = 0; i < 1000; i++)
        AIO_CHECK_EQ(aio_channel_receive(channel, &item), 1);
    AIO_CHECK(turns >= 10);
    task_stop(other);
    aio_channel_free(channel);
}
