/*
 * Rented buffers at random: many streams on few buffers, rented and plain calls mixed, slices and
 * splits, cancellations and deadlines, closes in the middle. Every byte that arrives is the right
 * one, and in the end all buffers are back.
 */
#define SUITE "rent_storm"
#include "tests/behaviour/rent_support.h"

enum { PAIRS = 8, BYTES = 60000 };

/* One direction of a pair of streams. */
struct lane {
    struct aio_stream *from;
    struct aio_stream *to;
    uint64_t sent;
    uint64_t got;
    bool may_close; /* the reader may close in the middle */
    bool closed;
    struct aio_task *writer;
    struct aio_task *reader;
};

/* Whether the call is to be repeated: it was interrupted by a deadline of ours. */
static bool passing(ssize_t rc)
{
    return rc == -ETIMEDOUT;
}

static ssize_t give_slices(struct lane *lane, struct aio_buffer *buffer)
{
    size_t size = aio_buffer_size(buffer);
    struct aio_buffer *head;
    if (size > 1 && test_random() % 2 == 0) {
        size_t at = 1 + test_random() % (size - 1);
        int rc = aio_buffer_split(&head, buffer, at);
        if (rc == 0)
            rc = aio_stream_write_rent(lane->from, head);
        if (rc < 0) {
            aio_buffer_release(buffer);
            return rc;
        }
    }
    ssize_t rc = aio_stream_write_rent(lane->from, buffer);
    return rc < 0 ? rc : (ssize_t)size;
}

static ssize_t write_some(struct lane *lane)
{
    size_t size = 1 + test_random() % 512;
    size = size < BYTES - lane->sent ? size : (size_t)(BYTES - lane->sent);
    if (test_random() % 4 == 0) {
        unsigned char own[512];
        test_pattern_fill(own, size, lane->sent);
        return aio_stream_write(lane->from, own, size);
    }
    struct aio_buffer *buffer;
    int rc = aio_buffer_rent(&buffer);
    if (rc < 0)
        return rc;
    AIO_CHECK_OK(aio_buffer_resize(buffer, size));
    test_pattern_fill(aio_buffer_data(buffer), size, lane->sent);
    return give_slices(lane, buffer);
}

static int writer_run(void *arg)
{
    struct lane *lane = arg;
    ssize_t n = 0;
    while (lane->sent < BYTES && n >= 0) {
        n = write_some(lane);
        if (n > 0)
            lane->sent += (uint64_t)n;
    }
    int rc;
    do
        rc = aio_stream_shutdown(lane->from, AIO_STREAM_WRITE);
    while (rc == -ETIMEDOUT);
    if (!lane->may_close)
        AIO_CHECK(n >= 0 && rc == 0);
    return 0;
}

static ssize_t read_rented(struct lane *lane)
{
    struct aio_buffer *buffer = NULL;
    ssize_t n = 0;
    AIO_TIMEOUT(test_random() % 4 == 0 ? AIO_US((int64_t)(test_random() % 100)) : AIO_FOREVER)
    {
        n = aio_stream_read_rent(lane->to, &buffer);
    }
    if (n > 0)
        AIO_CHECK(test_pattern_check(aio_buffer_data(buffer), (size_t)n, lane->got));
    if (n > 0 && test_random() % 4 == 0)
        AIO_CHECK_OK(aio_task_yield()); /* holds it for a while */
    aio_buffer_release(buffer);
    return n;
}

static ssize_t read_plain(struct lane *lane)
{
    unsigned char bytes[700];
    ssize_t n = 0;
    AIO_TIMEOUT(test_random() % 4 == 0 ? AIO_US((int64_t)(test_random() % 100)) : AIO_FOREVER)
    {
        n = aio_stream_read(lane->to, bytes, 1 + test_random() % sizeof bytes);
    }
    if (n > 0)
        AIO_CHECK(test_pattern_check(bytes, (size_t)n, lane->got));
    return n;
}

static int reader_run(void *arg)
{
    struct lane *lane = arg;
    ssize_t n = 1;
    while (n > 0 || passing(n)) {
        if (lane->may_close && lane->got > BYTES / 2)
            break;
        n = test_random() % 3 == 0 ? read_plain(lane) : read_rented(lane);
        if (n > 0)
            lane->got += (uint64_t)n;
    }
    if (lane->may_close) {
        aio_stream_close(lane->to);
        lane->closed = true;
    } else {
        AIO_CHECK_EQ(n, 0);
        AIO_CHECK_EQ(lane->got, BYTES);
    }
    return 0;
}

static bool lane_start(struct lane *lane, struct aio_stream *from, struct aio_stream *to)
{
    *lane = (struct lane){.from = from, .to = to};
    return AIO_CHECK_OK(aio_task_spawn(&lane->writer, writer_run, lane, NULL)) &&
           AIO_CHECK_OK(aio_task_spawn(&lane->reader, reader_run, lane, NULL));
}

/* Both directions of each pair at once; of every third pair one end closes in the middle. */
static void storm(void)
{
    struct tcp_pair pairs[PAIRS];
    struct lane there[PAIRS], back[PAIRS];
    for (int i = 0; i < PAIRS; i++) {
        bool closes = i % 3 == 2;
        REQUIRE(tcp_pair_open(&pairs[i]));
        AIO_CHECK_OK(aio_stream_option_set(pairs[i].near, AIO_STREAM_SEND_BUFFER, 8192));
        REQUIRE(lane_start(&there[i], pairs[i].near, pairs[i].far));
        there[i].may_close = closes;
        if (!closes)
            REQUIRE(lane_start(&back[i], pairs[i].far, pairs[i].near));
    }
    for (int i = 0; i < PAIRS; i++) {
        AIO_CHECK_OK(aio_task_join(there[i].writer, NULL));
        AIO_CHECK_OK(aio_task_join(there[i].reader, NULL));
        if (there[i].may_close) {
            aio_stream_close(pairs[i].near);
            continue;
        }
        AIO_CHECK_OK(aio_task_join(back[i].writer, NULL));
        AIO_CHECK_OK(aio_task_join(back[i].reader, NULL));
        tcp_pair_close(&pairs[i]);
    }
    AIO_CHECK_EQ(rent_stats().buffers_held, 0);
}

BEHAVIOUR_WITH(few_buffers, .buffer_limit = 6, .buffer_bytes = 512)
{
    storm();
}

BEHAVIOUR_WITH(small_ring, .buffer_limit = 40, .buffer_bytes = 600, .ring_entries = 8)
{
    storm();
}

BEHAVIOUR(plenty)
{
    storm();
}

static int echo_until_cancelled(void *arg)
{
    struct aio_buffer *buffer;
    ssize_t n;
    while ((n = aio_stream_read_rent(arg, &buffer)) > 0)
        if ((n = aio_stream_write_rent(arg, buffer)) < 0)
            break;
    return (int)n;
}

/* The end of a runtime with readers, writers and queues in the middle of everything. */
static int leave_in_the_middle(void *unused)
{
    (void)unused;
    struct tcp_pair pairs[PAIRS];
    for (int i = 0; i < PAIRS; i++) {
        if (!tcp_pair_open(&pairs[i]))
            return 1;
        AIO_CHECK_OK(aio_task_spawn(NULL, echo_until_cancelled, pairs[i].near, NULL));
        AIO_CHECK_OK(aio_task_spawn(NULL, echo_until_cancelled, pairs[i].far, NULL));
        AIO_CHECK_OK(rent_write_pattern(pairs[i].near, 20000, 512, 0));
    }
    for (int i = 0; i < 5; i++)
        AIO_CHECK_OK(aio_task_yield());
    return 0;
}

BEHAVIOUR_OUTSIDE(end_in_the_middle)
{
    struct aio_runtime_options options = test_options();
    options.buffer_limit = 64;
    AIO_CHECK_EQ(aio_runtime_run(&options, leave_in_the_middle, NULL), 0);
}
