/*
 * Copies that are cut short: no byte is lost without being told, none comes twice.
 */
#define SUITE "copy_cancel"
#include "tests/behaviour/copy_tools.h"

BEHAVIOUR(copy_cancelled_while_it_reads)
{
    struct copy_path path;
    struct copy_call call = {.result = 0};
    REQUIRE(copy_path_open(&path));
    REQUIRE(copy_start(&call, &path, false));
    tcp_settle();
    AIO_CHECK_ERROR(copy_cancel(&call), -ECANCELED);
    AIO_CHECK_EQ(call.done[0].delivered + call.done[0].undelivered, 0);
    struct copy_writer writer = {.stream = path.in.near, .size = 1000};
    REQUIRE(copy_write_start(&writer));
    copy_check_bytes(path.in.far, 0, 1000);
    AIO_CHECK_OK(copy_write_join(&writer));
    copy_path_close(&path);
}

BEHAVIOUR(copy_under_a_deadline)
{
    struct copy_path path;
    struct copy_call call = {.timeout_ns = AIO_MS(1)};
    REQUIRE(copy_path_open(&path));
    REQUIRE(copy_start(&call, &path, false));
    AIO_CHECK_ERROR(copy_join(&call), -ETIMEDOUT);
    AIO_CHECK(!call.done[0].idle);
    call = (struct copy_call){.options = AIO_COPY_OPTIONS};
    call.options.idle_ns = AIO_MS(1);
    REQUIRE(copy_start(&call, &path, false));
    AIO_CHECK_ERROR(copy_join(&call), -ETIMEDOUT);
    AIO_CHECK(call.done[0].idle);
    copy_path_close(&path);
}

/* Returns false when it ended before a byte was delivered: on a slow machine. */
static bool stall_delivers(int64_t idle_ns, int wanted)
{
    enum { SIZE = 32 << 20 };
    struct copy_path path;
    struct copy_call call = {.options = AIO_COPY_OPTIONS};
    if (!AIO_CHECK(copy_path_open(&path)))
        return true;
    struct copy_writer writer = {.stream = path.in.near, .size = SIZE};
    call.options.idle_ns = idle_ns;
    if (!copy_start(&call, &path, false) || !copy_write_start(&writer))
        return true;
    if (idle_ns == AIO_FOREVER) {
        uint64_t before;
        do { /* until it stands still */
            before = writer.position;
            AIO_CHECK_OK(aio_time_sleep(AIO_MS(20)));
        } while (writer.position != before || writer.position == 0);
        aio_task_cancel(call.task);
    }
    AIO_CHECK_ERROR(copy_join(&call), wanted);
    uint64_t delivered = call.done[0].delivered, undelivered = call.done[0].undelivered;
    AIO_CHECK(undelivered <= 1 << 20);
    copy_check_bytes(path.out.far, 0, delivered);
    AIO_CHECK_EQ(copy_check_rest(path.in.far, delivered + undelivered),
                 SIZE - delivered - undelivered);
    AIO_CHECK_OK(copy_write_join(&writer));
    copy_path_close(&path);
    return delivered > 0;
}

/* The receiver takes nothing: what is in the pipe cannot be delivered, and is told. */
BEHAVIOUR(copy_to_a_peer_that_stalls_is_cancelled)
{
    int rounds = 1;
    while (!stall_delivers(AIO_FOREVER, -ECANCELED) && AIO_CHECK(rounds < 6))
        rounds++;
}

BEHAVIOUR(copy_to_a_peer_that_stalls_is_idle)
{
    int64_t idle_ns = AIO_MS(50) * test_slowness(), most_ns = 32 * idle_ns;
    while (!stall_delivers(idle_ns, -ETIMEDOUT) && AIO_CHECK(idle_ns < most_ns))
        idle_ns *= 2;
}

/* A reader that keeps up: copies are cancelled all the time, and it sees one unbroken sequence. */
BEHAVIOUR(copy_storm_of_cancellations)
{
    const uint64_t size = (uint64_t)tcp_rounds(8 << 20);
    struct copy_path path;
    uint64_t at = 0;
    REQUIRE(copy_path_open(&path));
    struct copy_writer writer = {.stream = path.in.near, .size = size};
    REQUIRE(copy_write_start(&writer));
    int rc = -ECANCELED;
    while (rc == -ECANCELED) {
        struct copy_call call = {.result = 0};
        REQUIRE(copy_start(&call, &path, false));
        for (uint64_t left = test_random() % 8; left > 0 && !call.ended; left--)
            AIO_CHECK_OK(aio_task_yield());
        rc = copy_cancel(&call);
        uint64_t delivered = call.done[0].delivered;
        if (!copy_check_bytes(path.out.far, at, delivered))
            break;
        at += delivered + call.done[0].undelivered;
    }
    AIO_CHECK_EQ(rc, 0);
    AIO_CHECK_EQ(at, size);
    AIO_CHECK_OK(copy_write_join(&writer));
    copy_path_close(&path);
}

/* A copy that waits for its turn on one stream keeps the other, and learns of its close. */
BEHAVIOUR(close_of_the_other_stream_while_waiting)
{
    for (int relay = 0; relay < 2; relay++)
        for (int side = 0; side < 2; side++) {
            struct copy_path path;
            struct copy_call call = {.result = 0};
            REQUIRE(copy_path_open(&path));
            struct aio_stream **busy = side == 0 ? &path.in.far : &path.out.near;
            struct aio_stream **other = side == 0 ? &path.out.near : &path.in.far;
            struct copy_path first = {.in = {.far = *busy}, .out = {.near = *busy}};
            struct copy_call holder = {.result = 0}; /* holds both its sides: a copy to itself */
            REQUIRE(copy_start(&holder, &first, false));
            tcp_settle();
            REQUIRE(copy_start(&call, &path, relay == 1));
            tcp_settle();
            aio_stream_close(*other);
            *other = NULL;
            AIO_CHECK_ERROR(copy_join(&call), -EBADF);
            AIO_CHECK_ERROR(copy_cancel(&holder), -ECANCELED);
            copy_path_close(&path);
        }
}
