/*
 * See server_tools.h.
 */
#include "tests/behaviour/server_tools.h"

#include <string.h>

/* Reads up to the end of a line. Returns its bytes; 0 at the end of the stream. */
static ssize_t read_line(struct aio_stream *stream, char *line, size_t size)
{
    size_t filled = 0;
    while (filled < size) {
        ssize_t n = aio_stream_read(stream, line + filled, 1);
        if (n <= 0)
            return n;
        filled += 1;
        if (line[filled - 1] == '\n')
            break;
    }
    return (ssize_t)filled;
}

static int handle(struct aio_connection *connection, void *arg)
{
    struct kit *kit = arg;
    struct aio_stream *stream = aio_connection_stream(connection);
    char line[64];
    ssize_t n;
    kit->connection = connection;
    kit->most = ++kit->live > kit->most ? kit->live : kit->most;
    while ((n = aio_connection_await(connection)) > 0) {
        kit->begun++;
        if ((n = read_line(stream, line, sizeof line)) <= 0 ||
            (n = aio_stream_write_all(stream, line, (size_t)n, NULL)) < 0)
            break;
        kit->requests++;
    }
    if (n < 0) {
        kit->error = (int)n;
        kit->expired = aio_stream_expired(stream);
    }
    kit->live--;
    return (int)n;
}

static void note_address(struct aio_listener *listener, void *arg)
{
    struct kit *kit = arg;
    struct aio_address address;
    if (AIO_CHECK_OK(aio_listener_address(listener, &address)))
        AIO_CHECK_OK(aio_address_format(&address, kit->address, sizeof kit->address));
}

static int kit_task(void *arg)
{
    struct kit *kit = arg;
    kit->result = aio_server_run(&kit->options);
    kit->ended = true;
    return 0;
}

static bool kit_listens(void *kit)
{
    return ((struct kit *)kit)->address[0] != '\0' || ((struct kit *)kit)->ended;
}

bool kit_start(struct kit *kit)
{
    struct aio_server_options *options = &kit->options;
    options->address = options->address != NULL ? options->address : "127.0.0.1:0";
    options->handler = handle;
    options->ready = note_address;
    options->arg = kit;
    if (!AIO_CHECK_OK(aio_task_spawn(&kit->task, kit_task, kit, NULL)))
        return false;
    return test_wait(kit_listens, kit) && AIO_CHECK(!kit->ended);
}

int kit_stop(struct kit *kit)
{
    aio_task_cancel(kit->task);
    AIO_CHECK_OK(aio_task_join(kit->task, NULL));
    return kit->result;
}

struct aio_stream *kit_connect(const struct kit *kit)
{
    struct aio_stream *stream = NULL;
    AIO_CHECK_OK(aio_tcp_connect(&stream, kit->address));
    return stream;
}

bool kit_send(struct aio_stream *stream, const char *text)
{
    return AIO_CHECK_OK(aio_stream_write_all(stream, text, strlen(text), NULL));
}

bool kit_expect(struct aio_stream *stream, const char *text)
{
    char answer[64] = "";
    AIO_CHECK_EQ(aio_stream_read_exact(stream, answer, strlen(text), NULL), strlen(text));
    return AIO_CHECK_STR(answer, text);
}

bool kit_expect_end(struct aio_stream *stream)
{
    char byte;
    ssize_t n = aio_stream_read(stream, &byte, 1);
    return AIO_CHECK(n == 0 || n == -ECONNRESET);
}

bool kit_drains(void *kit)
{
    return aio_connection_draining(((struct kit *)kit)->connection);
}

bool kit_began_second(void *kit)
{
    return ((struct kit *)kit)->begun == 2;
}

bool kit_has_none(void *kit)
{
    return ((struct kit *)kit)->live == 0;
}
