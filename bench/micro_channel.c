/* What do channels cost? Nanoseconds a message, one way, between two tasks of one core.
 *
 * Each measure is a JSON line; bench/lib/measure.h has the arguments. */
#include "bench/lib/measure.h"

#include <aio/aio.h>
#include <aio/channel.h>
#include <aio/select.h>

enum { SUBSCRIBERS = 8, CASES = 8 };

static struct aio_task *start(int (*fn)(void *argument), void *argument)
{
    struct aio_task *task;

    measure_check(aio_task_spawn(&task, fn, argument, NULL), "spawn");
    return task;
}

struct numbers {
    struct aio_channel *channel;
    long count;
};

static int send_numbers(void *argument)
{
    const struct numbers *numbers = argument;

    for (long i = 0; i < numbers->count; i++)
        measure_check(aio_channel_send(numbers->channel, &i), "send");
    aio_channel_close(numbers->channel);
    return 0;
}

static long through_channel(long loops, size_t capacity)
{
    struct aio_channel *channel;
    long item, count = 0;

    measure_check(aio_channel_open(&channel, sizeof item, capacity), "open");
    struct numbers numbers = {channel, loops};
    struct aio_task *sender = start(send_numbers, &numbers);
    while (aio_channel_receive(channel, &item) == 1)
        count++;
    measure_check(aio_task_join(sender, NULL), "join");
    aio_channel_free(channel);
    return count;
}

static long unbuffered(long loops)
{
    return through_channel(loops, 0);
}

static long buffered(long loops)
{
    return through_channel(loops, 64);
}

struct echo {
    struct aio_channel *there;
    struct aio_channel *back;
};

static int echo_numbers(void *argument)
{
    struct echo *echo = argument;
    long item;

    while (aio_channel_receive(echo->there, &item) == 1)
        measure_check(aio_channel_send(echo->back, &item), "send");
    return 0;
}

/* There and back: two messages, and the task that sends waits for the answer each time. */
static long round_trip(long loops)
{
    struct echo echo;

    measure_check(aio_channel_open(&echo.there, sizeof(long), 0), "open");
    measure_check(aio_channel_open(&echo.back, sizeof(long), 0), "open");
    struct aio_task *task = start(echo_numbers, &echo);
    for (long i = 0; i < loops / 2; i++) {
        long item = i;

        measure_check(aio_channel_send(echo.there, &item), "send");
        measure_check(aio_channel_receive(echo.back, &item), "receive");
    }
    aio_channel_close(echo.there);
    measure_check(aio_task_join(task, NULL), "join");
    aio_channel_free(echo.there);
    aio_channel_free(echo.back);
    return loops / 2 * 2;
}

static int send_oneshots(void *channel)
{
    struct aio_oneshot *oneshot;
    long answer = 42;

    while (aio_channel_receive(channel, &oneshot) == 1)
        measure_check(aio_oneshot_send(oneshot, &answer), "oneshot");
    return 0;
}

/* A request by channel and its answer by oneshot. */
static long oneshot_answer(long loops)
{
    struct aio_channel *channel;

    measure_check(aio_channel_open(&channel, sizeof(struct aio_oneshot *), 0), "open");
    struct aio_task *task = start(send_oneshots, channel);
    for (long i = 0; i < loops / 2; i++) {
        long answer;
        struct aio_oneshot oneshot = AIO_ONESHOT_INIT(answer);
        struct aio_oneshot *pointer = &oneshot;

        measure_check(aio_channel_send(channel, &pointer), "send");
        measure_check(aio_oneshot_receive(&oneshot), "oneshot");
    }
    aio_channel_close(channel);
    measure_check(aio_task_join(task, NULL), "join");
    aio_channel_free(channel);
    return loops / 2 * 2;
}

static int listen_to_all(void *subscriber)
{
    long item;

    while (aio_subscriber_receive(subscriber, &item) == 1)
        continue;
    return 0;
}

/* Per item and subscriber, each of which waits for each item. */
static long broadcast(long loops)
{
    struct aio_broadcast *broadcast;
    struct aio_subscriber *subscribers[SUBSCRIBERS];
    struct aio_task *tasks[SUBSCRIBERS];
    long sends = loops / SUBSCRIBERS;

    measure_check(aio_broadcast_open(&broadcast, sizeof(long), 64), "open");
    for (int i = 0; i < SUBSCRIBERS; i++) {
        measure_check(aio_broadcast_subscribe(&subscribers[i], broadcast), "subscribe");
        tasks[i] = start(listen_to_all, subscribers[i]);
    }
    for (long i = 0; i < sends; i++) {
        measure_check(aio_task_yield(), "yield");
        measure_check(aio_broadcast_send(broadcast, &i), "send");
    }
    aio_broadcast_close(broadcast);
    for (int i = 0; i < SUBSCRIBERS; i++) {
        measure_check(aio_task_join(tasks[i], NULL), "join");
        aio_subscriber_free(subscribers[i]);
    }
    aio_broadcast_free(broadcast);
    return sends * SUBSCRIBERS;
}

/* One channel of the list is sent to; the select waits for most of the items. */
static long select_among(long loops, int cases)
{
    struct aio_channel *channels[CASES];
    struct aio_select_case list[CASES];
    long item, count = 0;
    int which;

    for (int i = 0; i < cases; i++) {
        measure_check(aio_channel_open(&channels[i], sizeof item, 0), "open");
        list[i] = aio_select_receive(channels[i], &item);
    }
    struct numbers numbers = {channels[cases / 2], loops};
    struct aio_task *sender = start(send_numbers, &numbers);
    while ((which = aio_select_wait(list, (size_t)cases)) >= 0 && list[which].result == 1)
        count++;
    measure_check(which, "select");
    measure_check(aio_task_join(sender, NULL), "join");
    for (int i = 0; i < cases; i++)
        aio_channel_free(channels[i]);
    return count;
}

static long select_two(long loops)
{
    return select_among(loops, 2);
}

static long select_eight(long loops)
{
    return select_among(loops, CASES);
}

AIO_MAIN(argc, argv)
{
    measure_begin(argc, argv);
    measure_print("channel_unbuffered", unbuffered);
    measure_print("channel_buffered_64", buffered);
    measure_print("channel_round_trip", round_trip);
    measure_print("channel_oneshot_answer", oneshot_answer);
    measure_print("broadcast_8_subscribers", broadcast);
    measure_print("select_2", select_two);
    measure_print("select_8", select_eight);
    return 0;
}
