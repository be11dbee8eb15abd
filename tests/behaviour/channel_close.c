/*
 * Closing channels in every state, and freeing them too early.
 */
#define SUITE "channel_close"
#include "tests/behaviour/task_tools.h"

#include <aio/channel.h>
#include <aio/select.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>

static int receive_int(void *channel)
{
    int item = 0;
    int rc = aio_channel_receive(channel, &item);
    return rc == 1 ? item : rc;
}

static int send_seven(void *channel)
{
    int item = 7;
    return aio_channel_send(channel, &item);
}

/* An idle channel: senders are refused, receivers are told; twice is harmless. */
BEHAVIOUR(closing_an_idle_channel)
{
    for (size_t capacity = 0; capacity < 2; capacity++) {
        struct aio_channel *channel;
        int item = 1;
        REQUIRE_OK(aio_channel_open(&channel, sizeof item, capacity));
        aio_channel_close(channel);
        aio_channel_close(channel);
        AIO_CHECK_ERROR(aio_channel_send(channel, &item), -EPIPE);
        AIO_CHECK_ERROR(aio_channel_trysend(channel, &item), -EPIPE);
        AIO_CHECK_EQ(aio_channel_receive(channel, &item), 0);
        AIO_CHECK_EQ(aio_channel_tryreceive(channel, &item), 0);
        AIO_CHECK_EQ(item, 1);
        aio_channel_free(channel);
    }
}

/* What is buffered is still received; senders that waited keep their items. */
BEHAVIOUR(closing_a_full_channel)
{
    struct aio_channel *channel;
    struct aio_task *senders[5];
    int result, item = 0;
    REQUIRE_OK(aio_channel_open(&channel, sizeof item, 2));
    for (int i = 0; i < 5; i++)
        senders[i] = task_named("sender", send_seven, channel);
    AIO_CHECK_OK(aio_task_yield());
    aio_channel_close(channel);
    AIO_CHECK_EQ(aio_channel_length(channel), 2);
    for (int i = 0; i < 5; i++) {
        AIO_CHECK_OK(aio_task_join(senders[i], &result));
        AIO_CHECK_EQ(result, i < 2 ? 0 : -EPIPE);
    }
    AIO_CHECK_EQ(aio_channel_receive(channel, &item), 1);
    AIO_CHECK_EQ(aio_channel_tryreceive(channel, &item), 1);
    AIO_CHECK_EQ(item, 7);
    AIO_CHECK_EQ(aio_channel_receive(channel, &item), 0);
    aio_channel_free(channel);
}

/* Waiting senders of a rendezvous get -EPIPE, waiting receivers 0. */
BEHAVIOUR(closing_wakes_everybody)
{
    static int (*const fns[])(void *channel) = {send_seven, receive_int};
    for (int kind = 0; kind < 2; kind++) {
        struct aio_channel *channel;
        struct aio_task *tasks[10];
        int result;
        REQUIRE_OK(aio_channel_open(&channel, sizeof(int), 0));
        for (int i = 0; i < 10; i++)
            tasks[i] = task_named("waiting", fns[kind], channel);
        AIO_CHECK_OK(aio_task_yield());
        aio_channel_close(channel);
        for (int i = 0; i < 10; i++) {
            AIO_CHECK_OK(aio_task_join(tasks[i], &result));
            AIO_CHECK_EQ(result, kind == 0 ? -EPIPE : 0);
        }
        aio_channel_free(channel);
    }
}

/* An item that was handed over before the close is there after it. */
BEHAVIOUR(handed_over_before_the_close)
{
    struct aio_channel *channel;
    int item = 9, result = 0;
    REQUIRE_OK(aio_channel_open(&channel, sizeof item, 0));
    struct aio_task *receiver = task_named("receiver", receive_int, channel);
    AIO_CHECK_OK(aio_task_yield());
    AIO_CHECK_OK(aio_channel_trysend(channel, &item));
    aio_channel_close(channel);
    aio_channel_free(channel); /* nobody waits any more */
    AIO_CHECK_OK(aio_task_join(receiver, &result));
    AIO_CHECK_EQ(result, 9);
}

static struct aio_channel *open_or_null(size_t capacity)
{
    struct aio_channel *channel = NULL;
    AIO_CHECK_OK(aio_channel_open(&channel, sizeof(int), capacity));
    return channel;
}

static int free_under_receiver(void *unused)
{
    (void)unused;
    struct aio_channel *channel = open_or_null(1);
    (void)task_named("reader", receive_int, channel);
    (void)aio_task_yield();
    aio_channel_free(channel);
    return 0;
}

static int free_under_sender(void *unused)
{
    (void)unused;
    struct aio_channel *channel = open_or_null(0);
    (void)task_named("writer", send_seven, channel);
    (void)aio_task_yield();
    aio_channel_free(channel);
    return 0;
}

static int select_receive(void *channel)
{
    int item;
    struct aio_select_case cases[] = {aio_select_receive(channel, &item)};
    return aio_select_wait(cases, 1);
}

static int free_under_select(void *unused)
{
    (void)unused;
    struct aio_channel *channel = open_or_null(1);
    (void)task_named("chooser", select_receive, channel);
    (void)aio_task_yield();
    aio_channel_free(channel);
    return 0;
}

static int free_under_subscriber(void *unused)
{
    (void)unused;
    struct aio_broadcast *broadcast;
    struct aio_subscriber *subscriber;
    if (aio_broadcast_open(&broadcast, 1, 1) == 0 &&
        aio_broadcast_subscribe(&subscriber, broadcast) == 0)
        aio_broadcast_free(broadcast);
    return 0;
}

static int receive_news(void *subscriber)
{
    char item;
    return aio_subscriber_receive(subscriber, &item);
}

static int free_subscriber(void *unused)
{
    (void)unused;
    struct aio_broadcast *broadcast;
    struct aio_subscriber *subscriber;
    if (aio_broadcast_open(&broadcast, 1, 1) < 0 ||
        aio_broadcast_subscribe(&subscriber, broadcast) < 0)
        return 0;
    (void)task_named("listener", receive_news, subscriber);
    (void)aio_task_yield();
    aio_subscriber_free(subscriber);
    return 0;
}

static int open_outside(void *unused)
{
    (void)unused;
    struct aio_channel *channel;
    return aio_channel_open(&channel, 1, 1);
}

static int use_it(void *channel)
{
    int item = 1;
    return aio_channel_send(channel, &item);
}

static void *run_another(void *channel)
{
    (void)test_run(use_it, channel);
    return NULL;
}

static int send_from_another_runtime(void *unused)
{
    (void)unused;
    pthread_t thread;
    struct aio_channel *channel = open_or_null(1);
    if (pthread_create(&thread, NULL, run_another, channel) == 0)
        (void)pthread_join(thread, NULL);
    return 0;
}

/* A channel belongs to its runtime. */
BEHAVIOUR_OUTSIDE(used_by_another_runtime)
{
    struct child child;
    if (!child_may_have_threads())
        return;
    REQUIRE(child_run_task(&child, send_from_another_runtime, NULL));
    child_killed(&child, SIGABRT);
    child_said(&child, "aio_channel_send: this channel belongs to another runtime");
}

/* Freeing what is waited on aborts, and names the call and the task. */
BEHAVIOUR_OUTSIDE(misuse)
{
    static const struct {
        int (*entry)(void *arg);
        const char *text;
    } cases[] = {
        {free_under_receiver, "aio_channel_free: task 'reader' waits to receive"},
        {free_under_sender, "aio_channel_free: task 'writer' waits to send"},
        {free_under_select, "aio_channel_free: task 'chooser' waits to receive"},
        {free_under_subscriber, "aio_broadcast_free: 1 subscribers are left"},
        {free_subscriber, "aio_subscriber_free: task 'listener' waits to receive"},
    };
    struct child child;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        REQUIRE(child_run_task(&child, cases[i].entry, NULL));
        child_killed(&child, SIGABRT);
        child_said(&child, cases[i].text);
    }
    REQUIRE(child_run(&child, open_outside, NULL));
    child_killed(&child, SIGABRT);
    child_said(&child, "aio_channel_open was called outside a task");
}
