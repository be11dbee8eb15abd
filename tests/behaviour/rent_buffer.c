/*
 * Buffers by themselves: room, size, slices, splits, references, handing over, misuse.
 */
#define SUITE "rent_buffer"
#include "tests/behaviour/rent_support.h"
#include "tests/behaviour/task_tools.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

BEHAVIOUR_WITH(room_and_size, .buffer_bytes = 1000)
{
    struct aio_buffer *buffer;
    REQUIRE_OK(aio_buffer_rent(&buffer));
    AIO_CHECK_EQ(aio_buffer_room(buffer), 1000);
    AIO_CHECK_ERROR(aio_buffer_resize(buffer, 1001), -EINVAL);
    AIO_CHECK_OK(aio_buffer_resize(buffer, 1000));
    memset(aio_buffer_data(buffer), 'x', 1000);
    AIO_CHECK_OK(aio_buffer_skip(buffer, 400));
    AIO_CHECK_EQ(aio_buffer_size(buffer), 600);
    AIO_CHECK_EQ(aio_buffer_room(buffer), 600);
    AIO_CHECK_ERROR(aio_buffer_skip(buffer, 601), -EINVAL);
    aio_buffer_release(buffer);
    aio_buffer_release(NULL);
    REQUIRE_OK(aio_buffer_rent(&buffer)); /* the same one, whole again */
    AIO_CHECK_EQ(aio_buffer_room(buffer), 1000);
    AIO_CHECK_EQ(aio_buffer_size(buffer), 0);
    aio_buffer_release(buffer);
}

BEHAVIOUR(slices_and_splits_share_the_bytes)
{
    struct aio_buffer *buffer = rent_filled(1000, 0), *head, *middle, *again, *none;
    REQUIRE(buffer != NULL);
    REQUIRE_OK(aio_buffer_slice(&middle, buffer, 300, 200));
    REQUIRE_OK(aio_buffer_split(&head, buffer, 100));
    REQUIRE_OK(aio_buffer_reference(&again, middle));
    AIO_CHECK_EQ(aio_buffer_size(buffer), 900);
    AIO_CHECK(test_pattern_check(aio_buffer_data(head), 100, 0));
    AIO_CHECK(test_pattern_check(aio_buffer_data(buffer), 900, 100));
    AIO_CHECK(test_pattern_check(aio_buffer_data(middle), 200, 300));
    AIO_CHECK(aio_buffer_data(again) == aio_buffer_data(middle));
    AIO_CHECK_EQ(aio_buffer_room(head), 100); /* what follows is not the head's to write */
    AIO_CHECK_ERROR(aio_buffer_slice(&none, buffer, 0, 901), -EINVAL);
    AIO_CHECK_ERROR(aio_buffer_slice(&none, buffer, 901, 0), -EINVAL);
    AIO_CHECK_ERROR(aio_buffer_slice(&none, buffer, 1, SIZE_MAX), -EINVAL);
    AIO_CHECK_ERROR(aio_buffer_split(&none, buffer, 901), -EINVAL);
    AIO_CHECK(none == NULL);
    AIO_CHECK_EQ(rent_stats().buffers_held, 1);
    aio_buffer_release(buffer);
    aio_buffer_release(middle);
    aio_buffer_release(head);
    AIO_CHECK_EQ(rent_stats().buffers_held, 1);
    AIO_CHECK(test_pattern_check(aio_buffer_data(again), 200, 300));
    aio_buffer_release(again);
    AIO_CHECK_EQ(rent_stats().buffers_held, 0);
}

/* One received buffer is sent to two peers, in parts and whole. */
BEHAVIOUR(one_buffer_to_two_streams)
{
    struct tcp_raw from, to[2];
    struct aio_buffer *buffer, *copy, *head;
    REQUIRE(tcp_raw_open(&from, 0) && tcp_raw_open(&to[0], 0) && tcp_raw_open(&to[1], 0));
    uint64_t got = 0;
    REQUIRE(rent_plain_send_pattern(from.fd, 1000, 0));
    while (got < 1000) {
        ssize_t n = aio_stream_read_rent(from.stream, &buffer);
        REQUIRE(n > 0);
        REQUIRE_OK(aio_buffer_reference(&copy, buffer));
        AIO_CHECK_OK(aio_stream_write_rent(to[0].stream, copy));
        REQUIRE_OK(aio_buffer_split(&head, buffer, (size_t)n / 2));
        AIO_CHECK_OK(aio_stream_write_rent(to[1].stream, head));
        AIO_CHECK_OK(aio_stream_write_rent(to[1].stream, buffer));
        got += (uint64_t)n;
    }
    AIO_CHECK(tcp_plain_receive_pattern(to[0].fd, 1000, 0));
    AIO_CHECK(tcp_plain_receive_pattern(to[1].fd, 1000, 0));
    tcp_raw_close(&from);
    tcp_raw_close(&to[0]);
    tcp_raw_close(&to[1]);
}

static int release_run(void *arg)
{
    AIO_CHECK(test_pattern_check(aio_buffer_data(arg), 100, 7));
    aio_buffer_release(arg);
    return 0;
}

BEHAVIOUR(handed_to_another_task)
{
    struct aio_task *task;
    struct aio_buffer *buffer = rent_filled(100, 7);
    REQUIRE_OK(aio_task_spawn(&task, release_run, buffer, NULL));
    AIO_CHECK_OK(aio_task_join(task, NULL));
    AIO_CHECK_EQ(rent_stats().buffers_held, 0);
}

static int release_twice(void *unused)
{
    (void)unused;
    struct aio_buffer *buffer = rent_filled(1, 0);
    aio_buffer_release(buffer);
    aio_buffer_release(buffer);
    return 0;
}

static int leak_one(void *unused)
{
    (void)unused;
    struct aio_buffer *view;
    return aio_buffer_reference(&view, rent_filled(1, 0));
}

BEHAVIOUR_OUTSIDE(misuse_aborts_and_leaks_are_told)
{
    struct child child;
    REQUIRE(child_run_task(&child, release_twice, NULL));
    AIO_CHECK(child_killed(&child, SIGABRT));
    AIO_CHECK(child_said(&child, "released or given away already"));
    REQUIRE(child_run_task(&child, leak_one, NULL));
    AIO_CHECK(child_exited(&child, 0));
#if defined(AIO_DEBUG) && AIO_DEBUG
    AIO_CHECK(child_said(&child, "1 rented buffers not released"));
#endif
}

static int never(void *unused)
{
    (void)unused;
    return 0;
}

BEHAVIOUR_OUTSIDE(options_are_checked)
{
    struct aio_runtime_options options = test_options();
    setenv("AIO_LOG", "off", 1);
    options.buffer_bytes = 63;
    AIO_CHECK_ERROR(aio_runtime_run(&options, never, NULL), -EINVAL);
    options.buffer_bytes = 16 * 1024 * 1024 + 1;
    AIO_CHECK_ERROR(aio_runtime_run(&options, never, NULL), -EINVAL);
    options.buffer_bytes = 64;
    options.buffer_limit = 65537;
    AIO_CHECK_ERROR(aio_runtime_run(&options, never, NULL), -EINVAL);
    options.buffer_limit = 65536;
    AIO_CHECK_OK(aio_runtime_run(&options, never, NULL));
    unsetenv("AIO_LOG");
}
