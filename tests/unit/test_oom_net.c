/*
 * The n-th allocation fails, for n = 1, 2, ...: rented buffers, copies, the server kit, names. What
 * is refused is -ENOMEM, loses no byte and leaves nothing behind; then it works. On each backend.
 */
#define SUITE "oom_net"
#include "tests/unit/unit_tools.h"

#include "core/alloc.h"

#include <aio/buf.h>
#include <aio/copy.h>
#include <aio/resolve.h>
#include <aio/server.h>
#include <errno.h>
#include <string.h>

enum { ATTEMPTS = 60 };

static bool pairs_open(struct aio_stream *first[2], struct aio_stream *second[2])
{
    return AIO_CHECK_OK(aio_unix_pair(first)) && AIO_CHECK_OK(aio_unix_pair(second));
}

static void pair_close(struct aio_stream *pair[2])
{
    aio_stream_close(pair[0]);
    aio_stream_close(pair[1]);
}

static void expect(struct aio_stream *stream, const char *text)
{
    char bytes[64] = "";
    size_t size = strlen(text);
    AIO_CHECK_EQ(aio_stream_read_exact(stream, bytes, size, NULL), (ssize_t)size);
    AIO_CHECK(memcmp(bytes, text, size) == 0);
}

/* A rented read: nothing was consumed. A buffer that was given away is gone, unsent. */
static int rent_stubbornly(void *entered)
{
    struct aio_stream *pair[2];
    struct aio_buffer *buffer = NULL, *slice = NULL;
    ssize_t n = -ENOMEM;
    int rc = -ENOMEM;
    unit_entered(entered);
    if (!AIO_CHECK_OK(aio_unix_pair(pair)))
        return -1;
    AIO_CHECK_EQ(aio_stream_write(pair[0], "rented", 6), 6);
    for (int at = 1; n < 0 && at < ATTEMPTS; at++) {
        aio__alloc_fail_at(at);
        n = aio_stream_read_rent(pair[1], &buffer);
        aio__alloc_fail_at(0);
        AIO_CHECK(n == 6 || (n == -ENOMEM && buffer == NULL));
    }
    AIO_CHECK(n == 6 && memcmp(aio_buffer_data(buffer), "rented", 6) == 0);
    for (int at = 1; rc < 0 && at < ATTEMPTS; at++) {
        aio__alloc_fail_at(at);
        rc = aio_buffer_slice(&slice, buffer, 0, 3);
        aio__alloc_fail_at(0);
        AIO_CHECK(rc == 0 || (rc == -ENOMEM && slice == NULL));
    }
    aio__alloc_fail_at(1);
    AIO_CHECK_ERROR(aio_stream_write_rent(pair[1], slice), -ENOMEM);
    aio__alloc_fail_at(0);
    AIO_CHECK_OK(aio_stream_write_rent(pair[1], buffer));
    AIO_CHECK_OK(aio_stream_flush(pair[1]));
    expect(pair[0], "rented");
    pair_close(pair);
    return 0;
}

PLAIN(rented_buffers)
{
    unit_on_each_backend(rent_stubbornly);
}

/* One way, and both ways: a copy that found no memory has taken nothing that it has not passed on.
 */
static int copy_stubbornly(bool relay)
{
    struct aio_stream *in[2], *out[2];
    struct aio_copy_done done[2] = {{0}, {0}};
    int rc = -ENOMEM;
    if (!pairs_open(in, out))
        return -1;
    AIO_CHECK_EQ(aio_stream_write(in[0], "there", 5), 5);
    AIO_CHECK_EQ(aio_stream_write(out[1], "back", 4), 4);
    AIO_CHECK_OK(aio_stream_shutdown(in[0], AIO_STREAM_WRITE));
    AIO_CHECK_OK(aio_stream_shutdown(out[1], AIO_STREAM_WRITE));
    for (int at = 1; rc < 0 && at < ATTEMPTS; at++) {
        int64_t live = aio__alloc_live();
        aio__alloc_fail_at(at);
        rc = relay ? aio_stream_relay(in[1], out[0], NULL, done)
                   : aio_stream_copy(out[0], in[1], NULL, done);
        aio__alloc_fail_at(0);
        AIO_CHECK(rc == 0 || (rc == -ENOMEM && aio__alloc_live() <= live));
        AIO_CHECK(done[0].undelivered == 0 && done[1].undelivered == 0);
    }
    AIO_CHECK_OK(rc);
    expect(out[1], "there");
    if (relay)
        expect(in[0], "back");
    pair_close(in);
    pair_close(out);
    return 0;
}

static int copy_both(void *entered)
{
    unit_entered(entered);
    return copy_stubbornly(false) + copy_stubbornly(true);
}

PLAIN(copies)
{
    unit_on_each_backend(copy_both);
}

/* A server, where it listens, and the task that serves. */
struct kit {
    char text[AIO_ADDRESS_TEXT_BYTES];
    struct aio_task *task;
};

static int echo(struct aio_connection *connection, void *arg)
{
    struct aio_stream *stream = aio_connection_stream(connection);
    char byte;
    (void)arg;
    while (aio_connection_await(connection) > 0 && aio_stream_read(stream, &byte, 1) == 1)
        if (aio_stream_write(stream, &byte, 1) != 1)
            break;
    return 0;
}

static void kit_ready(struct aio_listener *listener, void *arg)
{
    struct kit *kit = arg;
    struct aio_address address;
    AIO_CHECK_OK(aio_listener_address(listener, &address));
    AIO_CHECK_OK(aio_address_format(&address, kit->text, sizeof kit->text));
}

static int kit_run(void *arg)
{
    struct aio_server_options options = AIO_SERVER_OPTIONS;
    options.address = "127.0.0.1:0";
    options.handler = echo;
    options.arg = arg;
    options.ready = kit_ready;
    return aio_server_run(&options);
}

/* The connection is under way when memory runs short; it is served all the same. */
static void kit_ask(const struct kit *kit, int at)
{
    struct aio_stream *stream;
    int rc;
    aio__alloc_fail_at(at);
    while ((rc = aio_tcp_connect(&stream, kit->text)) == -ENOMEM)
        continue;
    if (!AIO_CHECK_OK(rc))
        return;
    while (aio_stream_write(stream, "?", 1) == -ENOMEM)
        continue;
    char byte = 0;
    ssize_t n = 0;
    AIO_TIMEOUT(AIO_SEC(5) * test_slowness())
    {
        while ((n = aio_stream_read(stream, &byte, 1)) == -ENOMEM)
            continue;
    }
    aio__alloc_fail_at(0);
    AIO_CHECK(n == 1 && byte == '?');
    aio_stream_close(stream);
}

static int serve_stubbornly(void *entered)
{
    struct kit kit = {.text = ""};
    int result = -1;
    unit_entered(entered);
    if (!AIO_CHECK_OK(aio_task_spawn(&kit.task, kit_run, &kit, NULL)))
        return -1;
    while (kit.text[0] == '\0' && aio_task_yield() == 0)
        continue;
    for (int at = 1; at < 12; at++)
        kit_ask(&kit, at);
    aio_task_cancel(kit.task);
    AIO_CHECK_OK(aio_task_join(kit.task, &result));
    AIO_CHECK_EQ(result, 0);
    return 0;
}

PLAIN(server)
{
    unit_on_each_backend(serve_stubbornly);
}

/* Nobody is asked for the first name, nobody answers for the second. */
static int resolve_stubbornly(void *entered)
{
    static const char *const names[] = {"localhost:80", "nobody.test:80"};
    unit_entered(entered);
    for (size_t i = 0; i < 2; i++) {
        int rc = -ENOMEM, n;
        for (n = 1; rc == -ENOMEM && n < ATTEMPTS; n++) {
            struct aio_address found;
            struct aio_resolve_options options = AIO_RESOLVE_OPTIONS;
            options.servers = "127.0.0.1:9";
            options.timeout_ns = AIO_MS(1);
            options.tries = 1;
            rc = aio_resolve_setup(&options);
            if (rc == -ENOSYS)
                return 0; /* a build without c-ares */
            aio__alloc_fail_at(n);
            rc = rc < 0 ? rc : aio_resolve_name(&found, 1, names[i], AIO_RESOLVE_V4);
            aio__alloc_fail_at(0);
        }
        AIO_CHECK(n > 2);
        AIO_CHECK(i == 0 ? rc == 1 : rc == -EHOSTDOWN || rc == -ETIMEDOUT);
    }
    return 0;
}

PLAIN(names)
{
    unit_on_each_backend(resolve_stubbornly);
}
