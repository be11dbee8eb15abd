/*
 * The pool is bounded: who finds it empty waits, without spinning and without losing anything, and
 * a slow consumer does not keep it from the others.
 */
#define SUITE "rent_pool"
#include "tests/behaviour/rent_support.h"

#include <sys/socket.h>

struct renter {
    int rc;
    struct aio_buffer *buffer;
    bool ended;
};

static int renter_run(void *arg)
{
    struct renter *renter = arg;
    renter->rc = aio_buffer_rent(&renter->buffer);
    renter->ended = true;
    return 0;
}

/* Tasks that wait for a buffer get them in their order; one that is cancelled leaves the queue. */
BEHAVIOUR_WITH(renters_wait_in_order, .buffer_limit = 4)
{
    enum { RENTERS = 4 };
    struct aio_buffer *kept[2];
    struct renter renters[RENTERS] = {{.rc = 1}};
    struct aio_task *tasks[RENTERS];
    for (int i = 0; i < 2; i++)
        REQUIRE_OK(aio_buffer_rent(&kept[i]));
    for (int i = 0; i < RENTERS; i++)
        REQUIRE_OK(aio_task_spawn(&tasks[i], renter_run, &renters[i], NULL));
    tcp_check_no_spin();
    AIO_CHECK(!renters[0].ended);
    aio_task_cancel(tasks[1]);
    AIO_CHECK_OK(aio_task_join(tasks[1], NULL));
    AIO_CHECK_ERROR(renters[1].rc, -ECANCELED);
    aio_buffer_release(kept[0]);
    aio_task_cancel(tasks[0]); /* it has been given one: that stands */
    tcp_settle();
    AIO_CHECK(renters[0].ended && !renters[2].ended);
    AIO_CHECK_OK(renters[0].rc);
    aio_buffer_release(renters[0].buffer);
    aio_buffer_release(kept[1]);
    tcp_settle();
    AIO_CHECK(renters[2].ended && renters[3].ended);
    aio_buffer_release(renters[2].buffer);
    aio_buffer_release(renters[3].buffer);
    for (int i = 0; i < RENTERS; i++)
        if (i != 1)
            AIO_CHECK_OK(aio_task_join(tasks[i], NULL));
    struct aio_runtime_stats stats = rent_stats();
    AIO_CHECK_EQ(stats.buffers_held, 0);
    AIO_CHECK_EQ(stats.buffers_peak, 2);
    AIO_CHECK_EQ(stats.buffer_shortages, RENTERS);
}

/* Everything is in the program's hands: a reader waits until some comes back. */
BEHAVIOUR_WITH(reader_waits_for_a_buffer, .buffer_limit = 3, .buffer_bytes = 512)
{
    struct tcp_raw raw, other;
    struct aio_buffer *kept[16];
    int count = 0;
    REQUIRE(tcp_raw_open(&raw, 0) && tcp_raw_open(&other, 0));
    REQUIRE(rent_plain_send_pattern(other.fd, 3 * 512, 0));
    for (uint64_t got = 0; got < 3 * 512; got += aio_buffer_size(kept[count++]))
        REQUIRE(count < 16 && aio_stream_read_rent(other.stream, &kept[count]) > 0);
    AIO_CHECK_EQ(rent_stats().buffers_held, 3);
    REQUIRE(rent_plain_send_pattern(raw.fd, 1000, 0));
    struct rent_call call = {.stream = raw.stream};
    REQUIRE(rent_call_start(&call));
    tcp_check_no_spin();
    AIO_CHECK(!call.ended);
    AIO_CHECK_ERROR((int)rent_call_cancel(&call), -ECANCELED);
    REQUIRE(rent_call_start(&call));
    tcp_settle();
    AIO_CHECK(!call.ended);
    while (rent_stats().buffers_held == 3)
        aio_buffer_release(kept[--count]);
    ssize_t n = rent_call_join(&call);
    REQUIRE(n > 0);
    AIO_CHECK(test_pattern_check(aio_buffer_data(call.buffer), (size_t)n, 0));
    aio_buffer_release(call.buffer);
    AIO_CHECK_EQ(rent_read_pattern(raw.stream, 1000 - (uint64_t)n, (uint64_t)n),
                 1000 - (uint64_t)n);
    while (count > 0)
        aio_buffer_release(kept[--count]);
    tcp_raw_close(&other);
    tcp_raw_close(&raw);
}

/* Rents until it would have to wait. Returns how many. */
static int rent_all(struct aio_buffer **kept, int most)
{
    int count = 0, rc = 0;
    while (rc == 0 && count < most) {
        AIO_TIMEOUT(AIO_MS(3))
        {
            rc = aio_buffer_rent(&kept[count]);
        }
        count += rc == 0;
    }
    AIO_CHECK(rc == 0 || rc == -ETIMEDOUT);
    return count;
}

static void release_all(struct aio_buffer **kept, int count)
{
    for (int i = 0; i < count; i++)
        aio_buffer_release(kept[i]);
}

/* It grows as it is used, and both halves with it: with its own in use the program still receives.
 */
static void check_halves(const struct aio_runtime_stats *before, int least, int most)
{
    static struct aio_buffer *kept[600];
    struct tcp_raw raw;
    REQUIRE(most < 600 && tcp_raw_open(&raw, 0));
    for (int round = 0; round < 2; round++) {
        int count = rent_all(kept, 600);
        struct aio_runtime_stats stats = rent_stats();
        AIO_CHECK(count >= least && count <= most);
        AIO_CHECK(stats.memory_used >= before->memory_used + (uint64_t)count * 16384);
        REQUIRE(rent_plain_send_pattern(raw.fd, 5000, 0));
        AIO_CHECK_EQ(rent_read_pattern(raw.stream, 5000, 0), 5000);
        release_all(kept, count);
    }
    tcp_raw_close(&raw);
}

BEHAVIOUR_WITH(grows_as_it_is_used, .buffer_limit = 1000)
{
    struct aio_runtime_stats before = rent_stats();
    check_halves(&before, 500, 500);
}

enum { MEMORY_LIMIT = 1000000 };

/* Where memory is short the pool is smaller. */
BEHAVIOUR_WITH(counts_as_memory, .memory_limit = MEMORY_LIMIT)
{
    struct aio_runtime_stats before = rent_stats();
    check_halves(&before, 4, MEMORY_LIMIT / 2 / 16384);
    struct aio_runtime_stats stats = rent_stats();
    AIO_CHECK(stats.memory_used <= MEMORY_LIMIT && stats.memory_peak <= MEMORY_LIMIT);
    AIO_CHECK((uint64_t)stats.buffers_made * 16384 < MEMORY_LIMIT / 2);
}

/* Without room for one, whoever asks is told, and a plain read has what was sent. */
BEHAVIOUR_WITH(no_memory_for_one, .memory_limit = MEMORY_LIMIT, .buffer_bytes = MEMORY_LIMIT)
{
    struct tcp_raw raw;
    struct aio_buffer *buffer;
    char bytes[4];
    REQUIRE(tcp_raw_open(&raw, 0));
    REQUIRE(rent_plain_send_pattern(raw.fd, 4, 0));
    AIO_CHECK_ERROR(aio_buffer_rent(&buffer), -ENOMEM);
    AIO_CHECK_ERROR((int)aio_stream_read_rent(raw.stream, &buffer), -ENOMEM);
    AIO_CHECK(buffer == NULL);
    AIO_CHECK_EQ(aio_stream_read_exact(raw.stream, bytes, 4, NULL), 4);
    AIO_CHECK(test_pattern_check(bytes, 4, 0));
    tcp_raw_close(&raw);
}

struct echo {
    struct tcp_raw raw;
    uint64_t size;
    struct aio_task *task;
    ssize_t result;
};

static int echo_run(void *arg)
{
    struct echo *echo = arg;
    struct aio_buffer *buffer;
    while ((echo->result = aio_stream_read_rent(echo->raw.stream, &buffer)) > 0)
        if ((echo->result = aio_stream_write_rent(echo->raw.stream, buffer)) < 0)
            break;
    if (echo->result == 0)
        echo->result = aio_stream_shutdown(echo->raw.stream, AIO_STREAM_WRITE);
    return 0;
}

static void echo_many(int count, uint64_t size)
{
    struct echo echoes[32];
    for (int i = 0; i < count; i++) {
        REQUIRE(tcp_raw_open(&echoes[i].raw, 0));
        echoes[i].size = size;
        REQUIRE_OK(aio_task_spawn(&echoes[i].task, echo_run, &echoes[i], NULL));
    }
    for (int i = 0; i < count; i++) {
        REQUIRE(rent_plain_send_pattern(echoes[i].raw.fd, size, 0));
        AIO_CHECK_EQ(shutdown(echoes[i].raw.fd, SHUT_WR), 0);
    }
    for (int i = 0; i < count; i++) {
        AIO_CHECK(tcp_plain_receive_pattern(echoes[i].raw.fd, size, 0));
        AIO_CHECK_EQ(tcp_plain_drain(echoes[i].raw.fd), 0);
        AIO_CHECK_OK(aio_task_join(echoes[i].task, NULL));
        AIO_CHECK_EQ(echoes[i].result, 0);
        tcp_raw_close(&echoes[i].raw);
    }
}

BEHAVIOUR_WITH(many_streams_on_one_buffer, .buffer_limit = 1, .buffer_bytes = 512)
{
    echo_many(10, 5000);
}

BEHAVIOUR_WITH(many_streams_on_four_buffers, .buffer_limit = 4, .buffer_bytes = 512)
{
    echo_many(20, 9000);
}

BEHAVIOUR(many_streams_on_many_buffers)
{
    echo_many(30, 100000);
}

/* They are served with few buffers as with many. */
BEHAVIOUR_WITH(many_streams_in_little_memory, .memory_limit = MEMORY_LIMIT)
{
    echo_many(20, 50000);
    struct aio_runtime_stats stats = rent_stats();
    AIO_CHECK(stats.memory_peak <= MEMORY_LIMIT);
    AIO_CHECK((uint64_t)stats.buffers_made * 16384 < MEMORY_LIMIT / 2);
}

/* Streams that have data and tasks that do not read it leave the pool to the others. */
BEHAVIOUR_WITH(slow_consumers_do_not_starve_others, .buffer_limit = 16, .buffer_bytes = 1024)
{
    enum { SLOW = 12 };
    struct tcp_raw slow[SLOW];
    struct rent_call call;
    for (int i = 0; i < SLOW; i++) { /* each has read once, so that its receive may be armed */
        REQUIRE(tcp_raw_open(&slow[i], 0));
        REQUIRE(rent_plain_send_pattern(slow[i].fd, 1, 0));
        AIO_CHECK_EQ(rent_read_pattern(slow[i].stream, 1, 0), 1);
        if (i % 2 == 0)
            continue;
        call = (struct rent_call){.stream = slow[i].stream}; /* or was cancelled in the wait */
        REQUIRE(rent_call_start(&call));
        tcp_settle();
        AIO_CHECK_ERROR((int)rent_call_cancel(&call), -ECANCELED);
    }
    for (int i = 0; i < SLOW; i++)
        REQUIRE(rent_plain_send_pattern(slow[i].fd, 20000, 1));
    echo_many(5, 20000);
    for (int i = 0; i < SLOW; i++) {
        AIO_CHECK_EQ(rent_read_pattern(slow[i].stream, 20000, 1), 20000);
        tcp_raw_close(&slow[i]);
    }
}
