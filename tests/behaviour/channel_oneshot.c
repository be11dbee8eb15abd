/*
 * Oneshots: sent once, received once, dropped by either side.
 */
#define SUITE "channel_oneshot"
#include "tests/behaviour/task_tools.h"

#include <aio/channel.h>
#include <aio/select.h>
#include <errno.h>
#include <signal.h>

static int receive_it(void *oneshot)
{
    return aio_oneshot_receive(oneshot);
}

/* The item stands in the variable, whether it was sent before or while the receiver waited. */
BEHAVIOUR(sent_and_received_once)
{
    for (int waiting = 0; waiting < 2; waiting++) {
        int answer = 0, item = 42, result = 0;
        struct aio_oneshot oneshot = AIO_ONESHOT_INIT(answer);
        struct aio_task *task = NULL;
        if (waiting == 1) {
            task = task_named("receiver", receive_it, &oneshot);
            AIO_CHECK_OK(aio_task_yield());
        }
        AIO_CHECK_OK(aio_oneshot_send(&oneshot, &item));
        AIO_CHECK_ERROR(aio_oneshot_send(&oneshot, &item), -EALREADY);
        if (waiting == 1)
            AIO_CHECK_OK(aio_task_join(task, &result));
        else
            result = aio_oneshot_receive(&oneshot);
        AIO_CHECK_EQ(result, 1);
        AIO_CHECK_EQ(answer, 42);
        AIO_CHECK_ERROR(aio_oneshot_receive(&oneshot), -EALREADY);
        AIO_CHECK_ERROR(aio_oneshot_send(&oneshot, &item), -EALREADY);
    }
}

/* Dropped with nothing sent: the receiver gets 0 and the sender -EPIPE. What was sent stays. */
BEHAVIOUR(dropped)
{
    static struct aio_oneshot signal = AIO_ONESHOT_SIGNAL;
    int result = 7;
    struct aio_task *task = task_named("receiver", receive_it, &signal);
    AIO_CHECK_OK(aio_task_yield());
    aio_oneshot_drop(&signal);
    aio_oneshot_drop(&signal);
    AIO_CHECK_OK(aio_task_join(task, &result));
    AIO_CHECK_EQ(result, 0);
    AIO_CHECK_EQ(aio_oneshot_receive(&signal), 0);
    AIO_CHECK_ERROR(aio_oneshot_send(&signal, NULL), -EPIPE);
    struct aio_oneshot other = AIO_ONESHOT_SIGNAL;
    AIO_CHECK_OK(aio_oneshot_send(&other, NULL));
    aio_oneshot_drop(&other);
    AIO_CHECK_EQ(aio_oneshot_receive(&other), 1);
}

/* A receiver that gives up leaves the item to the next; one that was served has it. */
BEHAVIOUR(receiver_canceled)
{
    struct aio_oneshot oneshot = AIO_ONESHOT_SIGNAL;
    struct aio_task *task = task_named("receiver", receive_it, &oneshot);
    AIO_CHECK_OK(aio_task_yield());
    AIO_CHECK_ERROR(task_stop(task), -ECANCELED);
    AIO_TIMEOUT(AIO_MS(1))
    {
        AIO_CHECK_ERROR(aio_oneshot_receive(&oneshot), -ETIMEDOUT);
    }
    task = task_named("receiver", receive_it, &oneshot);
    AIO_CHECK_OK(aio_task_yield());
    AIO_CHECK_OK(aio_oneshot_send(&oneshot, NULL));
    AIO_CHECK_EQ(task_stop(task), 1);
}

/* A select in which something else won leaves the item where it is. */
BEHAVIOUR(beside_other_cases)
{
    struct aio_oneshot one = AIO_ONESHOT_SIGNAL, two = AIO_ONESHOT_SIGNAL;
    struct aio_select_case cases[] = {aio_select_oneshot(&one), aio_select_oneshot(&two)};
    AIO_CHECK_ERROR(aio_select_try(cases, 2), -EAGAIN);
    AIO_CHECK_OK(aio_oneshot_send(&two, NULL));
    AIO_CHECK_EQ(aio_select_wait(cases, 2), 1);
    AIO_CHECK_EQ(cases[1].result, 1);
    struct aio_select_case timed[] = {aio_select_oneshot(&one), aio_select_after(AIO_MS(1))};
    AIO_CHECK_EQ(aio_select_wait(timed, 2), 1);
    AIO_CHECK_OK(aio_oneshot_send(&one, NULL));
    AIO_CHECK_EQ(aio_oneshot_receive(&one), 1);
    AIO_CHECK_EQ(aio_select_wait(timed, 1), 0);
    AIO_CHECK_ERROR(timed[0].result, -EALREADY);
}

/* A select over a oneshot and a channel. */
struct choice {
    struct aio_oneshot oneshot;
    struct aio_channel *channel;
};

static int choose(void *arg)
{
    struct choice *choice = arg;
    struct aio_select_case cases[] = {aio_select_oneshot(&choice->oneshot),
                                      aio_select_receive(choice->channel, NULL)};
    int which = aio_select_wait(cases, 2);
    return which == 0 ? cases[0].result : which;
}

/* Sends or drops while the select waits, or when the channel has decided it and it has not run. */
static void end_beside_a_select(bool sent, bool decided)
{
    struct choice choice = {.oneshot = AIO_ONESHOT_SIGNAL};
    REQUIRE_OK(aio_channel_open(&choice.channel, 0, 0));
    struct aio_task *task = task_named("choosing", choose, &choice);
    AIO_CHECK_OK(aio_task_yield());
    if (decided)
        AIO_CHECK_OK(aio_channel_trysend(choice.channel, NULL));
    if (sent)
        AIO_CHECK_OK(aio_oneshot_send(&choice.oneshot, NULL));
    else
        aio_oneshot_drop(&choice.oneshot);
    AIO_CHECK_ERROR(aio_channel_trysend(choice.channel, NULL), -EAGAIN);
    AIO_CHECK_EQ(task_stop(task), decided ? 1 : sent);
    if (decided)
        AIO_CHECK_EQ(aio_oneshot_receive(&choice.oneshot), sent);
    aio_channel_free(choice.channel);
}

/* A select that waits gets it; one that has something else leaves it. */
BEHAVIOUR(beside_a_select_that_waits)
{
    for (int i = 0; i < 4; i++)
        end_beside_a_select(i % 2 == 0, i / 2 == 0);
}

static int receive_twice(void *unused)
{
    (void)unused;
    static struct aio_oneshot oneshot = AIO_ONESHOT_SIGNAL;
    (void)task_named("first", receive_it, &oneshot);
    (void)aio_task_yield();
    return aio_oneshot_receive(&oneshot);
}

/* Two tasks cannot wait for the same item. */
BEHAVIOUR_OUTSIDE(received_by_two)
{
    struct child child;
    REQUIRE(child_run_task(&child, receive_twice, NULL));
    child_killed(&child, SIGABRT);
    child_said(&child, "aio_oneshot_receive: another task is receiving");
}
