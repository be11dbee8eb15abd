/*
 * Shared channels: opening, capacity, closing in every state, who is served first, fork.
 */
#define SUITE "shared_close"
#include "tests/behaviour/shared_tools.h"

#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

BEHAVIOUR_OUTSIDE(bad_sizes_are_refused)
{
    struct aio_shared_channel *channel;
    AIO_CHECK_ERROR(aio_shared_open(&channel, 0, 1), -EINVAL);
    AIO_CHECK_ERROR(aio_shared_open(&channel, 8, SIZE_MAX), -ENOMEM);
    AIO_CHECK_ERROR(aio_shared_open(&channel, 8, SIZE_MAX / 16), -ENOMEM);
    AIO_CHECK_ERROR(aio_shared_open(&channel, SIZE_MAX, 1), -ENOMEM);
    AIO_CHECK_ERROR(aio_shared_open(&channel, SIZE_MAX / 2, 2), -ENOMEM);
    aio_shared_release(NULL);
}

/* It holds exactly what it should, time and again. */
static void check_capacity(size_t capacity)
{
    struct aio_shared_channel *channel = shared_of(sizeof(size_t), capacity);
    REQUIRE(channel != NULL);
    size_t item = 0;
    for (size_t round = 0; round < 5; round++) {
        for (size_t i = 0; i < capacity; i++)
            AIO_CHECK_OK(aio_shared_trysend(channel, &i));
        AIO_CHECK_ERROR(aio_shared_trysend(channel, &item), -EAGAIN);
        for (size_t i = 0; i < capacity; i++) {
            AIO_CHECK_EQ(aio_shared_tryreceive(channel, &item), 1);
            AIO_CHECK_EQ(item, i);
        }
        AIO_CHECK_ERROR(aio_shared_tryreceive(channel, &item), -EAGAIN);
    }
    aio_shared_release(channel);
}

BEHAVIOUR_OUTSIDE(capacity_is_exact)
{
    static const size_t capacities[] = {0, 1, 2, 3, 4, 5, 7, 8, 100};
    for (size_t i = 0; i < sizeof capacities / sizeof capacities[0]; i++)
        check_capacity(capacities[i]);
}

BEHAVIOUR_OUTSIDE(closed_is_drained_first)
{
    struct aio_shared_channel *channel = shared_of(sizeof(int), 4);
    REQUIRE(channel != NULL);
    int item = 1;
    AIO_CHECK_OK(aio_shared_send(channel, &item));
    item = 2;
    AIO_CHECK_OK(aio_shared_send(channel, &item));
    aio_shared_close(channel);
    aio_shared_close(channel);
    AIO_CHECK_ERROR(aio_shared_send(channel, &item), -EPIPE);
    AIO_CHECK_ERROR(aio_shared_trysend(channel, &item), -EPIPE);
    AIO_CHECK_EQ(aio_shared_receive(channel, &item), 1);
    AIO_CHECK_EQ(item, 1);
    AIO_CHECK_EQ(aio_shared_tryreceive(channel, &item), 1);
    AIO_CHECK_EQ(item, 2);
    AIO_CHECK_EQ(aio_shared_receive(channel, &item), 0);
    AIO_CHECK_EQ(aio_shared_tryreceive(channel, &item), 0);
    aio_shared_release(channel);
}

BEHAVIOUR_OUTSIDE(closed_rendezvous)
{
    struct aio_shared_channel *channel = shared_of(sizeof(int), 0);
    REQUIRE(channel != NULL);
    int item = 1;
    aio_shared_close(channel);
    AIO_CHECK_ERROR(aio_shared_send(channel, &item), -EPIPE);
    AIO_CHECK_ERROR(aio_shared_trysend(channel, &item), -EPIPE);
    AIO_CHECK_EQ(aio_shared_receive(channel, &item), 0);
    AIO_CHECK_EQ(aio_shared_tryreceive(channel, &item), 0);
    aio_shared_release(channel);
}

static int send_one(void *channel)
{
    int item = 7;
    return aio_shared_send(channel, &item);
}

static int receive_one(void *channel)
{
    int item = 0;
    int rc = aio_shared_receive(channel, &item);
    return rc == 1 ? item : rc;
}

/* A task waits in body; the channel is closed. */
static void check_close_wakes(size_t capacity, size_t filled, int (*body)(void *), int expected)
{
    struct aio_shared_channel *channel = shared_of(sizeof(int), capacity);
    int item = 1, result = 99;
    REQUIRE(channel != NULL);
    for (size_t i = 0; i < filled; i++)
        AIO_CHECK_OK(aio_shared_trysend(channel, &item));
    struct aio_task *task = task_named("waiter", body, channel);
    REQUIRE(task != NULL && task_wait_parked("waiter"));
    aio_shared_close(channel);
    AIO_CHECK_OK(aio_task_join(task, &result));
    AIO_CHECK_EQ(result, expected);
    for (size_t i = 0; i < filled; i++)
        AIO_CHECK_EQ(aio_shared_receive(channel, &item), 1);
    AIO_CHECK_EQ(aio_shared_receive(channel, &item), 0);
    aio_shared_release(channel);
}

BEHAVIOUR(close_wakes_senders)
{
    check_close_wakes(2, 2, send_one, -EPIPE);
    check_close_wakes(0, 0, send_one, -EPIPE);
}

BEHAVIOUR(close_wakes_receivers)
{
    check_close_wakes(2, 0, receive_one, 0);
    check_close_wakes(0, 0, receive_one, 0);
}

struct blocked {
    struct aio_shared_channel *channel;
    int (*body)(void *channel);
    _Atomic int id;
    int result;
};

static void *block_thread(void *arg)
{
    struct blocked *blocked = arg;
    blocked->id = (int)gettid();
    blocked->result = blocked->body(blocked->channel);
    return NULL;
}

/* Whether that thread sleeps in the kernel: in nothing else than our wait. */
static bool thread_sleeps(void *arg)
{
    struct blocked *blocked = arg;
    char path[64], line[256] = "";
    snprintf(path, sizeof path, "/proc/self/task/%d/syscall", blocked->id);
    FILE *file = blocked->id == 0 ? NULL : fopen(path, "re");
    if (file == NULL)
        return false;
    bool asleep = fgets(line, sizeof line, file) != NULL && strncmp(line, "running", 7) != 0;
    fclose(file);
    return asleep;
}

/* A plain thread that blocks is woken by an item, or by the close. */
static void check_thread(size_t capacity, bool close, int (*body)(void *), int expected)
{
    struct blocked blocked = {.channel = shared_of(sizeof(int), capacity), .body = body};
    pthread_t thread;
    REQUIRE(blocked.channel != NULL);
    REQUIRE(pthread_create(&thread, NULL, block_thread, &blocked) == 0);
    AIO_CHECK(test_wait_outside(thread_sleeps, &blocked));
    if (close)
        aio_shared_close(blocked.channel);
    else
        AIO_CHECK_OK(send_one(blocked.channel));
    pthread_join(thread, NULL);
    AIO_CHECK_EQ(blocked.result, expected);
    aio_shared_release(blocked.channel);
}

BEHAVIOUR_OUTSIDE(a_thread_blocks)
{
    check_thread(4, false, receive_one, 7);
    check_thread(0, false, receive_one, 7);
    check_thread(4, true, receive_one, 0);
    check_thread(0, true, receive_one, 0);
    check_thread(0, true, send_one, -EPIPE);
}

struct turn {
    struct aio_shared_channel *channel;
    int item;
    int order;
};

static int turn_count;

static int take_turn(void *arg)
{
    struct turn *turn = arg;
    int rc = aio_shared_receive(turn->channel, &turn->item);
    turn->order = turn_count++;
    return rc;
}

/* Those who wait are served in their order, and a newcomer does not overtake them. */
BEHAVIOUR(receivers_are_served_in_order)
{
    static const char *const names[] = {"first", "second", "third"};
    struct aio_shared_channel *channel = shared_of(sizeof(int), 8);
    struct aio_task *tasks[3];
    struct turn turns[3];
    turn_count = 0;
    REQUIRE(channel != NULL);
    for (int i = 0; i < 3; i++) {
        turns[i] = (struct turn){.channel = channel};
        tasks[i] = task_named(names[i], take_turn, &turns[i]);
        REQUIRE(tasks[i] != NULL && task_wait_parked(names[i]));
    }
    for (int i = 0; i < 3; i++)
        AIO_CHECK_OK(aio_shared_trysend(channel, &i));
    int item = -1;
    AIO_CHECK_ERROR(aio_shared_tryreceive(channel, &item), -EAGAIN);
    for (int i = 0; i < 3; i++) {
        AIO_CHECK_OK(aio_task_join(tasks[i], NULL));
        AIO_CHECK_EQ(turns[i].item, i);
        AIO_CHECK_EQ(turns[i].order, i);
    }
    aio_shared_release(channel);
}

/* In a child of fork every call refuses, and the parent's waiter does not notice. */
BEHAVIOUR(refused_in_a_forked_child)
{
    struct aio_shared_channel *channel = shared_of(sizeof(int), 4);
    struct aio_task *task = task_named("waiter", receive_one, channel);
    REQUIRE(channel != NULL && task != NULL && task_wait_parked("waiter"));
    int item = 5, status = -1, result = -1;
    pid_t pid = fork();
    if (pid == 0) {
        bool refused = aio_shared_send(channel, &item) == -ESHUTDOWN &&
                       aio_shared_trysend(channel, &item) == -ESHUTDOWN &&
                       aio_shared_receive(channel, &item) == -ESHUTDOWN &&
                       aio_shared_tryreceive(channel, &item) == -ESHUTDOWN;
        aio_shared_close(channel);
        struct aio_shared_channel *own = NULL;
        bool works = aio_shared_open(&own, sizeof(int), 1) == 0 &&
                     aio_shared_send(own, &item) == 0 && aio_shared_receive(own, &item) == 1;
        aio_shared_release(own);
        _exit(refused && works ? 3 : 4);
    }
    AIO_CHECK_EQ(waitpid(pid, &status, 0), pid);
    AIO_CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 3);
    AIO_CHECK(task_parked("waiter"));
    AIO_CHECK_OK(send_one(channel));
    AIO_CHECK_OK(aio_task_join(task, &result));
    AIO_CHECK_EQ(result, 7);
    aio_shared_release(channel);
}
